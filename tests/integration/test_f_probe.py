import json, subprocess
from support.modules import run_module
from support.kubernetes_place import KubernetesPlace
from support.cluster import ClusterHandle
from ansible_collections.gpuops.inference.plugins.module_utils._diagnosis import history
def test_probe(tmp_path):
    h = ClusterHandle(tmp_path/"state")
    orig = history.StatusHistory.recreations
    def spy(self, status):
        n = orig(self, status)
        if n:
            print(n, {k: v for k, v in self._incarnations.items() if len(v)>1}, self._revisions, len(self._outdated), [(e.reason,e.object,e.handle[:6],e.time) for e in status.events if (e.reason=="Started" or e.reason.startswith("Recreate")) and self.is_relevant(e,status,current_pods_only=False)], [(p.name,p.handle[:6],p.revision,p.created) for p in status.pods])
        return n
    history.StatusHistory.recreations = spy
    try:
        p = KubernetesPlace(h)
        o = dict(gpus_per_pod=1)
        def run(**k): 
            r = run_module("vllm_workload", p.workload("x", **o, **k)); print("=====", k, r.get("msg"), r["changed"])
        run(replicas=3); run(env={"A":"1"}, on_disruption="allow")
        p.edit(f"{p.main_path('x')}/scale", {"spec": {"replicas": 4}}, "kube-controller-manager")
        run(env={"A":"1"}); run(on_disruption="allow")
    finally:
        h.end()
