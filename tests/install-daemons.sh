#!/bin/bash
# Installs what the end-to-end tests talk to, from Debian's packages. Starts nothing, and enables nothing that it
# installs: the tests run every server themselves, in the foreground and on loopback.
#
# For Debian 12, as root or with sudo. Runs again at no cost: what is there is left as it is.
set -euo pipefail

packages=(
    nginx-light postfix bind9 bind9-dnsutils bind9-utils openssl    # what is probed
    dovecot-imapd dovecot-pop3d dovecot-lmtpd           # where mail is kept
    dovecot-managesieved dovecot-sieve
    postgrey opendkim opendkim-tools rspamd             # who lets strangers wait, looks at signatures, filters
    swaks libnet-ssleay-perl python3                    # who sends mail
    prometheus prometheus-alertmanager                  # who asks: servers, promtool, amtool
    prometheus-blackbox-exporter                        # what tuermer is compared with
    chromium                                            # looks at the pages
    iproute2 nftables                                   # networks that lose packets
    systemd                                             # systemd-analyze reads the unit
)

fail() {
    echo "install-daemons: $*" >&2
    exit 1
}

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    fail "this machine has no apt-get; on anything but Debian install by hand: ${packages[*]}"

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

missing=()
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "install-daemons: everything is there"
    exit 0
fi
echo "install-daemons: missing: ${missing[*]}"

if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "must be root to install packages, and there is no sudo"
    sudo -n true 2>/dev/null || [ -t 0 ] || fail "must be root to install packages, and sudo asks for a password"
    exec sudo bash "$0" "$@"
fi

# A policy of "never" keeps the packages' scripts from starting services; one that is already there is not touched.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
elif "$policy" nginx start >/dev/null 2>&1; then
    fail "$policy is there and lets services start; move it away first"
fi

# Without this answer postfix's package asks for the kind of mail server, and writes a configuration.
if command -v debconf-set-selections >/dev/null; then
    echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
fi

enabled_services() {
    find /etc/systemd/system -path '*.wants/*.service' -printf '%f\n' 2>/dev/null | sort -u
}
enabled_before="$(enabled_services)"

install_missing() {
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "${missing[@]}" </dev/null
}

# Package lists may be absent or out of date: then the first try fails early, and the second has fresh ones.
if ! install_missing; then
    echo "install-daemons: trying again with fresh package lists"
    apt-get update --quiet || fail "apt-get update failed"
    install_missing || fail "apt-get install failed for: ${missing[*]}"
fi

# The packages enable their services for the next boot; a developer's machine should not become a mail server.
if [ -d /run/systemd/system ]; then
    enabled_services | comm -13 <(echo "$enabled_before") - | while read -r unit; do
        systemctl --root=/ --quiet disable "$unit"
    done
fi

for package in "${packages[@]}"; do
    is_installed "$package" || fail "$package is still missing"
done
echo "install-daemons: installed: ${missing[*]}"
