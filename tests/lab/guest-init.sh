#!/bin/sh
# Process 1 of the lab's guest (uml.py starts it): a small system on the host's root, read-only; one command; power off.
# On the kernel's command line, lab=FOLDER is the run's folder on the host, the only place that the guest can write to,
# and tree=FOLDER the checkout.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
for folder in /tmp /run /dev/shm; do
  mkdir -p "$folder"
  mount -t tmpfs tmpfs "$folder"
done
argument() { sed -n "s/.* $1=\([^ ]*\).*/\1/p" /proc/cmdline; }
mkdir /run/lab
mount -t hostfs none /run/lab -o "$(argument lab)"
tree=$(argument tree)
if [ ! -e "$tree/Makefile" ]; then # it stands in /tmp, which is the guest's own
  mkdir -p "$tree"
  mount -r -t hostfs none "$tree" -o "$tree"
fi

# Debian keeps the guest kernel's modules apart from the host's. hmac, sha1 and md5 are the cookie's: without them
# listen() on an SCTP socket says ENOSYS.
mkdir -p /run/kernel/lib
ln -s /usr/lib/uml/modules /run/kernel/lib/modules
for module in sctp hmac sha1_generic md5; do modprobe -d /run/kernel "$module"; done

ip link set lo up
for address in 10.23.0.1 10.23.1.1 10.23.0.2 10.23.1.2; do ip address add "$address/32" dev lo; done

sh /run/lab/command >/run/lab/output 2>&1 </dev/null
echo $? >/run/lab/status
sync
python3 -c 'import ctypes; ctypes.CDLL(None).reboot(0x4321FEDC)' # LINUX_REBOOT_CMD_POWER_OFF
