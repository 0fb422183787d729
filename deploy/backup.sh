#!/bin/sh
# Copies SQLite files of a running node into a folder, each as it stood at one instant, and verifies the copies.
#
#   deploy/backup.sh FOLDER FILE…
set -eu
folder=$1
shift
mkdir -p "$folder"
for file in "$@"; do
  copy=$folder/$(basename "$file")
  rm -f "$copy.new"
  sqlite3 "file:$file?mode=ro" ".timeout 5000" ".backup '$copy.new'"
  [ "$(sqlite3 "$copy.new" 'PRAGMA integrity_check')" = ok ] || { echo "$copy.new: damaged" >&2; exit 1; }
  mv "$copy.new" "$copy"
  echo "$copy"
done
