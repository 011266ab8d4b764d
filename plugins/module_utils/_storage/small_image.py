# Copyright (c) 2026, The gpuops.inference authors
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause
"""What is done in an image without Python: a look, a repair and a proof by the shell and find.

It counts less, and knows the usual modes only. It changes no file that has other names (hard links), and none of a user
other than root. It enters one directory after the other and checks where it is, so that one that was swapped for a link
leads nowhere; a file that is swapped for a link in the very moment of its ``chmod`` would be followed, which the walker
excludes. Written for the shells and tools of Debian, Alpine and busybox.

For internal use of this collection only: may change without notice.
"""

from __future__ import annotations

# Exit statuses and the report's words are those of the walker.
SCRIPT = r"""
if command -v python3 >/dev/null 2>&1; then exec python3 -I -S -B -c "$1" "$2"; fi
asks_much=$3 judge=$4
shift 4
mode=$1 uid=$2 gid=$3 ensure=$4 base=$5 report=$6
shift 6
export uid gid
case $mode in compare | remember | differ)
  echo '{"error": "the image has no python3, and without it nothing is known of manifests"}' >&2
  exit 2
esac
if [ -n "$asks_much" ]; then
  echo '{"error": "the image has no python3, and without it only the default modes and files of root are known"}' >&2
  exit 2
fi
cd "$base" && base=`pwd -P` || exit 2
export base
count() {
  total=0
  for number in `find "$@" -exec sh -c 'echo $#' sh {} + 2>/dev/null`; do total=`expr $total + $number`; done
  echo $total
}
files=0 directories=0 owner=0 group=0 wrong=0 foreign=0 missing=0 unreadable=0 unlisted=0 changed=0
look() {
  files=`expr $files + \`count "$1" -xdev -type f\``
  directories=`expr $directories + \`count "$1" -xdev -type d\``
  foreign=`expr $foreign + \`count "$1" -xdev ! -user 0 ! -user $uid\``
  if [ "$ensure" = readable ]; then return; fi
  owner=`expr $owner + \`count "$1" -xdev -user 0 ! -user $uid\``
  group=`expr $group + \`count "$1" -xdev \( -user 0 -o -user $uid \) ! -group $gid\``
  wrong=`expr $wrong + \`count "$1" -xdev \( -user 0 -o -user $uid \) \
    \( -type f \( ! -perm -0640 -o -perm -0002 \) -o -type d \( ! -perm -0750 -o -perm -0002 \) \)\``
}
# Apart, since the shells that find starts need it too: enters a directory and says whether it is there, and no link.
mend='
enter() {
  case $1 in .) place=$base ;; *) place=$base/${1#./} ;; esac
  cd "$base" && cd -P "$1" 2>/dev/null && [ "`pwd -P`" = "$place" ]
}
settle() {
  find "$@" -prune \( -type d -o \( -type f -o -type l \) -links 1 \) \( -user 0 -o -user $uid \) \
    \( ! -user $uid -o ! -group $gid \) -exec chown -h "$uid:$gid" {} +
  find "$@" -prune -type f -links 1 -user $uid \( ! -perm -0640 -o -perm -0002 \) -exec chmod u+rw,g+r,o-w {} +
  find "$@" -prune -type d -user $uid \( ! -perm -0750 -o -perm -0002 \) -exec chmod u+rwx,g+rx,o-w {} +
}'
export mend
eval "$mend"
repair() {
  if [ ! -d "$1" ]; then (enter "${1%/*}" && settle "./${1##*/}"); return; fi
  find "$1" -xdev -type d \( -user 0 -o -user $uid \) -exec sh -c 'eval "$mend"
    for directory; do enter "$directory" || continue; settle . ! -name .; settle . -name .; done' sh {} +
}
prove() {
  unlisted=`expr $unlisted + \`find "$1" -type d -exec sh -c '
    for one; do if [ -r "$one" ] && [ -x "$one" ]; then :; else echo x; fi; done' sh {} + 2>/dev/null | grep -c x\``
  unreadable=`expr $unreadable + \`find "$1" -type f -exec sh -c '
    for one; do if [ -r "$one" ]; then :; else echo x; fi; done' sh {} + 2>/dev/null | grep -c x\``
  files=`expr $files + \`count "$1" -type f\``
  directories=`expr $directories + \`count "$1" -type d\``
}
# A name that begins with - would be a word of find's own: one that would delete, too.
for path; do
  if [ -n "$path" ]; then path=./$path; else path=.; fi
  set -- "$@" "$path"
  shift
done
for path; do
  if [ -L "$path" ] || [ ! -e "$path" ]; then missing=`expr $missing + 1`; continue; fi
  if [ "$mode" = prove ]; then prove "$path"; else look "$path"; fi
done
if [ "$mode" = repair ] && [ "$ensure" = owned ]; then
  before="$owner $group $wrong"
  for path; do if [ -e "$path" ] && [ ! -L "$path" ]; then repair "$path"; fi; done
  found_owner=$owner found_group=$group found_mode=$wrong found_files=$files found_directories=$directories
  owner=0 group=0 wrong=0 files=0 directories=0 foreign=0
  for path; do if [ -e "$path" ] && [ ! -L "$path" ]; then look "$path"; fi; done
  if [ "$before" != "$owner $group $wrong" ]; then
    changed=`expr $found_owner - $owner + $found_group - $group + $found_mode - $wrong`
  fi
  left="\"owner\":$owner,\"group\":$group,\"mode\":$wrong"
  amiss=`expr $owner + $group + $wrong`
  owner=$found_owner group=$found_group wrong=$found_mode files=$found_files directories=$found_directories
else
  left="\"owner\":$owner,\"group\":$group,\"mode\":$wrong"
  amiss=`expr $owner + $group + $wrong + $unreadable + $unlisted`
fi
[ "$mode" = prove ] && left=
found="\"files\":$files,\"directories\":$directories,\"owner\":$owner,\"group\":$group,\"mode\":$wrong"
found="$found,\"foreign\":$foreign,\"missing\":$missing,\"unreadable\":$unreadable,\"unlisted\":$unlisted"
text="{\"mode\":\"$mode\",\"finished\":true,\"passes\":1,\"reduced\":true,\"found\":{$found},\"left\":{$left}"
text="$text,\"done\":{\"changed\":$changed},\"volume\":{},\"examples\":{}}"
echo "$text"
if [ -n "$report" ]; then echo "$text" >"$report"; fi
if [ -n "$judge" ] && [ "`expr $amiss + $missing`" != 0 ]; then exit 1; fi
"""
