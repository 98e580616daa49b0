#!/bin/sh
# Installs Debian packages and leaves the machine as it was otherwise: no service is started, none
# is enabled, nothing is removed. Run as root: install.sh [OPTION OF APT-GET]... PACKAGE...
set -eu

# What Debian asks before it starts a service (man invoke-rc.d); 101 is "not allowed".
policy=/usr/sbin/policy-rc.d
saved=$policy.before-forgewatch
mark='# Made by cargo xtask of Forgewatch for the time of an installation; it can be deleted.'

# Takes our policy away, puts an earlier one back.
restore() {
    if [ -f "$policy" ] && grep -qF "$mark" "$policy"; then
        rm -f "$policy"
    fi
    if [ -e "$saved" ] || [ -L "$saved" ]; then
        mv -f "$saved" "$policy"
    fi
}

# First what a run that was killed may have left.
restore
trap restore EXIT
trap 'exit 130' INT TERM HUP

if [ -e "$policy" ] || [ -L "$policy" ]; then
    mv "$policy" "$saved"
fi
printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
chmod 755 "$policy"

# Daemons among the packages that xtask may ask for, and are not here yet: as scripts of init, and as
# units of systemd.
scripts='nginx unbound named kresd prometheus'
units='nginx.service unbound.service named.service kresd.target kres-cache-gc.service bettercap.service prometheus.service'
fresh=
for service in $scripts; do
    [ -e "/etc/init.d/$service" ] || fresh="$fresh $service"
done
fresh_units=
for unit in $units; do
    [ -e "/lib/systemd/system/$unit" ] || fresh_units="$fresh_units $unit"
done

export DEBIAN_FRONTEND=noninteractive
apt-get install --yes --no-install-recommends --no-remove \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"

# The packages enable their daemons for the next boot; a router should not serve pages for that.
for service in $fresh; do
    if [ -e "/etc/init.d/$service" ]; then
        update-rc.d "$service" disable
    fi
done
if command -v systemctl >/dev/null; then
    for unit in $fresh_units; do
        if [ -e "/lib/systemd/system/$unit" ]; then
            systemctl --no-reload disable "$unit"
        fi
    done
fi
