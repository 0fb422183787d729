#!/usr/bin/env bash
# Sets up a checkout: Debian packages where we may install them, .venv, Python packages.
#
#   deploy/setup.sh run     what `camel-scp` needs
#   deploy/setup.sh test    that, and what the tests need (tools that can't be installed are named; their tests skip)
#   deploy/setup.sh fuzz    that, and the extra `fuzz` of pyproject.toml; so for any other extra
#
# Python packages are those of deploy/python/*.lock, by their hashes; with NEWEST=1 the newest that pyproject.toml allows.
# Runs again in no time: a stamp in .venv holds the hash of what the set-up depends on. PYTHON=… chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
aim=${1:-test}
python=${PYTHON:-python3}

say() { printf 'set-up: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# --- what a Debian 12 may lack: package ~ is it there? ~ what for -----------------------------------------------------
has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }
has_headers() { "$python" -c 'import os, sysconfig as s; raise SystemExit(not os.path.exists(s.get_path("include") + "/Python.h"))'; }
has_kamailio_module() { compgen -G "/usr/lib/*/kamailio/modules/$1.so"; }
run_packages() {
  cat <<'END'
python3 ~ has "$python" ~ Python itself
python3-venv ~ [ -x .venv/bin/pip ] || "$python" -c "import ensurepip" ~ the virtual environment
END
}
test_packages() {
  cat <<'END'
gcc ~ has gcc ~ compiling the hot packages with mypyc, building pysctp
libc6-dev ~ [ -e /usr/include/stdio.h ] ~ compiling
python3-dev ~ has_headers ~ compiling
libsctp-dev ~ [ -e /usr/include/netinet/sctp.h ] ~ building pysctp
git ~ has git ~ tests of the repository itself
redis-server ~ has redis-server ~ store tests on Redis
tshark ~ has tshark ~ dissecting everything that the node sends
tcpdump ~ has tcpdump ~ reading the hexadecimal dumps that it prints
prometheus ~ has promtool ~ checking metrics and alert rules
curl ~ has curl ~ the commands of the pages in deploy/
procps ~ has vmstat ~ likewise
sqlite3 ~ has sqlite3 ~ backing up, as deploy/backup.sh does
openssl ~ has openssl ~ tokens and certificates
osmo-stp ~ has osmo-stp ~ interworking with a real signalling gateway
user-mode-linux ~ has linux.uml ~ the lab with kernel SCTP
kmod ~ has modprobe ~ the lab with kernel SCTP
iproute2 ~ has ip ~ the lab with kernel SCTP
kamailio ~ has kamailio ~ the SIP side of the VoIP service
kamailio-extra-modules ~ has_kamailio_module evapi ~ its link to the brain
kamailio-tls-modules ~ has_kamailio_module tls ~ SIP over TLS
kamailio-websocket-modules ~ has_kamailio_module websocket ~ SIP over websockets
sip-tester ~ has sipp ~ SIP devices and gateways in tests
baresip-core ~ has baresip ~ a softphone in tests
chromium-headless-shell ~ has chromium || has chromium-headless-shell ~ looking at the pages of the console and of reports as a browser does
END
}

missing=()
why=()
look() {
  missing=() why=()
  while IFS='~' read -r package there purpose; do
    package=${package% } purpose=${purpose# }
    eval "$there" >/dev/null 2>&1 || { missing+=("$package"); why+=("$package ($purpose)"); }
  done < <(run_packages; [ "$aim" = run ] || test_packages)
}

# Not every system has every package (user-mode-linux is for x86 only, say), and one that apt-get does not know would keep
# it from installing the others. The answer is read whole: a `grep -q` that leaves early ends apt-cache with SIGPIPE, which
# `pipefail` takes for "no".
available() { [[ $(LC_ALL=C apt-cache policy "$1") == *Candidate:\ [^\(]* ]]; }

install_packages() {
  local guard=/usr/sbin/policy-rc.d log=/tmp/camel-scp-apt.$$ ours= package known=()
  # Debian starts a package's services when it installs them; nobody asked for a Redis or a Prometheus to be running.
  if [ ! -e "$guard" ]; then
    ours=1
    printf '#!/bin/sh\nexit 101\n' >"$guard" && chmod 755 "$guard"
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q >"$log" 2>&1 || { tail -n 15 "$log" >&2; say "apt-get update failed; going on with what there is"; }
  for package in "$@"; do
    if available "$package"; then known+=("$package"); else say "there is no package $package for this system"; fi
  done
  [ ${#known[@]} -eq 0 ] || apt-get install -q -y --no-install-recommends "${known[@]}" >"$log" 2>&1 ||
    { tail -n 15 "$log" >&2; say "apt-get install failed; going on with what there is"; }
  rm -f "$log"
  [ -z "$ours" ] || rm -f "$guard"
}

look
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ] && has apt-get; then
  say "installing Debian packages: ${missing[*]}"
  install_packages "${missing[@]}"
  look
fi
for package in "${why[@]}"; do say "missing: $package"; done
has "$python" || die "no $python; install Python 3.11 or later"
"$python" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' || die "$python is older than 3.11; set PYTHON=…"

# --- .venv ------------------------------------------------------------------------------------------------------------
new_venv() {
  rm -rf .venv
  "$python" -m venv .venv >/dev/null 2>&1 && return
  # Debian's python3 without python3-venv has venv but no ensurepip: a pip from elsewhere can fill in.
  rm -rf .venv
  "$python" -m venv --without-pip .venv && "$python" -m pip --python .venv/bin/python install -q pip 2>/dev/null && return
  rm -rf .venv
  die "can't make .venv: install python3-venv (apt-get install python3-venv) and run again"
}
.venv/bin/python -c 'import pip' 2>/dev/null || { say "making .venv"; new_venv; }

# --- Python packages --------------------------------------------------------------------------------------------------
sctp_buildable() { has gcc && [ -e /usr/include/netinet/sctp.h ] && has_headers && echo sctp; }
locks=deploy/python
wanted=$({ cat pyproject.toml setup.py "$0" $locks/*; .venv/bin/python -VV; pwd; sctp_buildable || true; echo "${NEWEST:-}"; } |
  sha256sum)
stamp=.venv/.set-up-for-$aim
[ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0

pip_install() { .venv/bin/python -m pip install -qq --disable-pip-version-check "$@"; }
install_extra() {  # without the project itself: an extra that fails must not undo it
  .venv/bin/python -c 'import sys, tomllib
extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]
print(*extras[sys.argv[1]], sep="\n")' "$1" >".venv/$1.txt"
  pip_install --upgrade -r ".venv/$1.txt"
}
# pysctp may not build, which must not keep the others away. Nothing is fetched to build with: setuptools is locked too.
pysctp='/^pysctp==/,/[^\\]$/'
install_locked() {
  case $1 in
    run) cat $locks/run.lock ;;
    pysctp) sed -n "${pysctp}p" $locks/test.lock ;;
    *) sed "${pysctp}d" $locks/test.lock ;;
  esac >".venv/$1.txt"
  pip_install --require-hashes --no-build-isolation -r ".venv/$1.txt"
}

say "installing Python packages into .venv (once; a minute or so)"
if [ -n "${NEWEST:-}" ]; then
  case $aim in run) extras= ;; test) extras='[dev]' ;; *) extras="[dev,$aim]" ;; esac
  CAMEL_SCP_PURE=1 pip_install --upgrade --upgrade-strategy eager -e ".$extras"
else
  install_locked "$aim"
  CAMEL_SCP_PURE=1 pip_install --no-deps --no-build-isolation -e .
  case $aim in run | test) ;; *) install_extra "$aim" ;; esac
fi
if [ "$aim" = run ]; then
  :  # pysctp is the other end in tests only: the node speaks SCTP with Python's own sockets
elif [ -n "$(sctp_buildable || true)" ]; then
  { if [ -n "${NEWEST:-}" ]; then install_extra sctp; else install_locked pysctp; fi; } >.venv/pysctp.log 2>&1 ||
    say "pysctp does not build here (.venv/pysctp.log): the tests that use it skip"
else
  say "no gcc, Python.h or libsctp-dev: no pysctp, the tests that use it skip"
fi
echo "$wanted" >"$stamp"
