# shellcheck shell=sh disable=SC2016,SC2030,SC2031
# Finds the programs that Aegis needs besides Rust, and gets what is missing. `x` reads this file.
#
# provide PROGRAM looks, in this order: for a good one in PATH; for one that was unpacked before; to apt, if that
# removes nothing; and last to Debian's packages, which are downloaded and unpacked under target/tools/, where they
# are in nobody's way. Only apt needs root, and on a terminal sudo is used after a question only.

tools=${CARGO_TARGET_DIR:-$PWD/target}/tools
case "$tools" in /*) ;; *) tools=$PWD/$tools ;; esac

# Is somebody there to answer, and to type a password?
if [ -t 0 ]; then terminal=1; else terminal=''; fi

QEMU_OLDEST="7 2" # major and minor number; qemu/src/malta.rs has the same

# package_of PROGRAM: the Debian package that it is in.
package_of() {
    case "$1" in
    qemu-system-mipsel) echo qemu-system-mips ;;
    rustc) echo "$DEBIAN_RUST $DEBIAN_RUST_TOOLS" ;;
    *) echo "$1" ;;
    esac
}

# good PROGRAM: it is there, starts, and is not too old.
good() {
    case "$1" in
    qemu-system-mipsel)
        [ -z "${AEGIS_QEMU:-}" ] || return 0 # the user has named one
        version=$(quick qemu-system-mipsel --version 2>/dev/null | sed -n 's/.*version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
        [ -n "$version" ] && newer "$version" "$QEMU_OLDEST"
        ;;
    gdb-multiarch)
        for debugger in gdb-multiarch gdb; do
            knows=$(quick $debugger -nx -batch -ex 'set architecture mips:isa32r2' 2>&1) || continue
            case "$knows" in *Undefined*) ;; *) return 0 ;; esac
        done
        false
        ;;
    chromium) have chromium || have chromium-browser || have google-chrome ;;
    gxemul) quick gxemul -h 2>/dev/null | grep -q '^GXemul' ;; # its status is 1
    *) have "$1" ;;
    esac
}

# quick COMMAND...: runs it for at most ten seconds, without input.
quick() { timeout -k 2 10 "$@" </dev/null; }

# newer "MAJOR MINOR" "MAJOR MINOR": the first is at least the second.
newer() {
    # shellcheck disable=SC2086 # each is two words
    set -- $1 $2
    [ "$1" -gt "$3" ] || { [ "$1" -eq "$3" ] && [ "$2" -ge "$4" ]; }
}

# provide PROGRAM...: makes each available in PATH; fails, and says why, where one cannot be had.
provide() {
    wanted=
    for program; do
        good "$program" || wanted="$wanted $program"
    done
    for program in $wanted; do
        # What was unpacked comes first in PATH, since what else is found there is not good.
        if [ -x "$tools/$program/bin/$program" ]; then
            PATH="$tools/$program/bin:$PATH"
            good "$program" && say "$program: unpacked in $tools/$program" && continue
        fi
        missing="${missing:-} $program"
    done
    [ -n "${missing:-}" ] || return 0
    wanted=$missing missing='' packages=''
    for program in $wanted; do
        packages="$packages $(package_of "$program")"
    done
    # shellcheck disable=SC2086 # the packages are words
    if install $packages; then
        hash -r
        left=
        for program in $wanted; do
            good "$program" || left="$left $program"
        done
        wanted=$left
    fi
    status=0
    for program in $wanted; do
        unpack "$program" || status=1
    done
    return $status
}

# may_install: apt may be used, as root, by sudo without a terminal, or by sudo after a yes. One question for all.
may_install() {
    [ "$(id -u)" = 0 ] && return
    have sudo || return 1
    if [ -z "$terminal" ]; then
        sudo -n true 2>/dev/null
        return
    fi
    if [ -z "${consent:-}" ]; then
        printf 'x: install %s with sudo apt-get? [Y/n] (n: unpack under target/ instead) ' "$*" >&2
        read -r consent || consent=n
        consent=${consent:-y}
    fi
    case "$consent" in [yYjJ]*) true ;; *) false ;; esac
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -n "$terminal" ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o Acquire::http::Timeout=30 \
        -o Acquire::Retries=2 -o DPkg::Lock::Timeout=120 "$@" >&2 </dev/null
}

# install PACKAGE...: installs Debian packages with apt, unless that removes or downgrades anything.
install() {
    [ -z "$offline" ] && have apt-get && may_install "$@" || return 1
    # Lists of packages may be missing or out of date.
    if [ -z "${updated:-}" ]; then
        say "reading Debian's lists of packages"
        apt_get update || say "apt-get update has failed; trying with the lists that are there"
        updated=yes
    fi
    if ! plan=$(LC_ALL=C apt-get -s -qq install --no-install-recommends "$@" 2>&1 </dev/null); then
        say "apt-get cannot install $*: $(printf '%s\n' "$plan" | grep '^E:' | head -n 1)"
        return 1
    fi
    removed=$(printf '%s\n' "$plan" | awk '/^Remv / { print $2 }' | tr '\n' ' ')
    if [ -n "$removed" ]; then
        say "apt-get would remove ${removed% } to install $*, so it is not used"
        return 1
    fi
    say "installing $* ($(printf '%s\n' "$plan" | grep -c '^Inst') packages) with apt-get"
    apt_get install -y --no-install-recommends --no-remove "$@" || {
        say "apt-get could not install $*: the reason is above (is there a network?)"
        return 1
    }
}

# apt_here ARGUMENT...: runs apt-get with lists of packages of our own, which need neither root nor a recent update, and as
# if nothing were installed, so that nothing is in the way.
apt_here() {
    LC_ALL=C apt-get -qq -o Dir::State::status=/dev/null -o Dir::State::Lists="$tools/apt/lists" -o Dir::Cache="$tools/apt/cache" -o APT::Sandbox::User="" \
        -o Acquire::Languages=none -o Acquire::http::Timeout=30 -o Acquire::Retries=2 -o APT::Update::Error-Mode=any "$@" </dev/null
}

# needed_of PROGRAM: of a plan of apt's, the packages that are to be unpacked, each with its version. What is installed in the
# same version serves, and every library in any; but all parts of a toolchain must be in one place. The C library is always the
# system's, since it and the dynamic linker are one.
needed_of() {
    { dpkg-query -W -f 'Have ${Package} (${Version}\n' 2>/dev/null; cat; } | awk -v program="$1" '
        $1 == "Have" { installed[$2] = $3 }
        $1 != "Inst" || $2 == "libc6" || $2 == "libc-bin" { next }
        program != "rustc" && $2 in installed && (installed[$2] == $3 || $2 ~ /^lib/) { next }
        { print $2 "=" substr($3, 2) }'
}

# unpack PROGRAM: downloads its package, and those that it needs and that are not installed, and unpacks them.
unpack() {
    (
        program=$1 name=$(package_of "$1")
        if [ -n "$offline" ]; then
            say "missing: $1 (Debian: $name). --offline fetches nothing; run ./x setup once with a network"
            exit 1
        elif ! have apt-get || ! have dpkg-deb; then
            say "missing: $1 (Debian: $name). Install it as your system does, then run ./x again"
            exit 1
        fi
        mkdir -p "$tools/apt/lists/partial" "$tools/apt/cache/archives/partial" || exit 1
        new=$tools/$program.new
        rm -rf "$new" && mkdir -p "$new/debs" "$new/bin" || exit 1
        trap 'rm -rf "$new"' EXIT
        trap 'exit 130' INT TERM
        if [ -z "$(find "$tools/apt/lists" -maxdepth 1 -name '*Packages*' -mmin -720 2>/dev/null | head -n 1)" ]; then
            say "$program: reading Debian's lists of packages"
            apt_here update >&2 || {
                say "$program: apt-get update has failed (is there a network?)"
                exit 1
            }
        fi
        # shellcheck disable=SC2086 # the names are words
        plan=$(apt_here install -s --no-install-recommends $name 2>&1) || {
            say "$program: Debian's package $name cannot be had:"
            printf '%s\n' "$plan" | tail -n 5 >&2
            exit 1
        }
        packages=$(printf '%s\n' "$plan" | needed_of "$program")
        count=$(printf '%s\n' "$packages" | wc -l)
        say "$program: downloading $count packages and unpacking them in $tools/$program"
        # shellcheck disable=SC2086 # the packages are words
        (cd "$new/debs" && { apt_here download $packages || apt_here download $packages; } >&2) || {
            say "$program: the download has failed (is there a network?)"
            exit 1
        }
        for file in "$new"/debs/*.deb; do
            dpkg-deb -x "$file" "$new/root" || exit 1
        done
        rm -rf "$new/debs" "${tools:?}/$program"
        wrapper "$program" >"$new/bin/$program" && chmod +x "$new/bin/$program" && mv "$new" "$tools/$program" || exit 1
        [ "$program" != rustc ] || for part in cargo rustdoc ld.lld wasm-ld cargo-clippy clippy-driver rustfmt; do
            cp "$tools/rustc/bin/rustc" "$tools/rustc/bin/$part" || exit 1
        done
        PATH="$tools/$program/bin:$PATH"
        good "$program" || {
            say "$program: what was unpacked does not start:"
            quick "$program" --version 2>&1 | head -n 5 >&2
            exit 1
        }
        say "$program: unpacked in $tools/$program ($(du -sh "$tools/$program" | cut -f 1))"
    ) || return 1
    PATH="$tools/$1/bin:$PATH"
}

# wrapper PROGRAM: a script that starts it from where it was unpacked, and finds its own place.
wrapper() {
    cat <<'END'
#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")/root
libraries=
for directory in "$root"/usr/lib/*-linux-gnu* "$root"/lib/*-linux-gnu* "$root"/usr/lib/*-linux-gnu*/*/; do
    [ -d "$directory" ] && libraries=$libraries${libraries:+:}${directory%/}
done
LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
END
    case "$1" in
    qemu-system-mipsel) echo "exec \"\$root/usr/bin/$1\" -L \"\$root/usr/share/qemu\" \"\$@\"" ;;
    gdb-multiarch)
        echo 'for python in "$root"/usr/lib/python3*/os.py; do [ -e "$python" ] && export PYTHONHOME="$root/usr"; done'
        echo "exec \"\$root/usr/bin/$1\" --data-directory \"\$root/usr/share/gdb\" \"\$@\""
        ;;
    chromium)
        # The system may have neither fonts nor their configuration.
        echo '[ -d /etc/fonts ] || export FONTCONFIG_SYSROOT="$root"'
        echo 'exec "$root/usr/lib/chromium/chromium" "$@"'
        ;;
    *) echo 'exec "$root/usr/bin/$(basename "$0")" "$@"' ;;
    esac
}
