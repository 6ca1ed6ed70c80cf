# What ./start and ./check need of the machine, and how it gets there. Sourced by both, from the project's directory.

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
    say "$1"
    shift
    [ $# -eq 0 ] || printf '    %s\n' "$@" >&2
    exit 1
}

need_cargo() {
    # rustup writes its line into the profile of the next shell, not of this one.
    command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
    command -v cargo >/dev/null || die "Rust is missing" "install it: https://rustup.rs, then run this again"
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    found=$(rustc --version) || die "rustc does not run" "install a toolchain: rustup toolchain install stable"
    found=${found#rustc }
    found=${found%%[ -]*}
    [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ] ||
        die "Rust is $found, and $wanted is needed" "update it: rustup update stable (a distribution's Rust may be too old: https://rustup.rs)"
}

need_components() {
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return
    command -v rustup >/dev/null || die "rustfmt or clippy is missing" "install them with Rust's other packages"
    say "installing rustfmt and clippy"
    rustup component add rustfmt clippy >&2
}

# Compiles, because a compiler may be there without the C library's headers.
links() {
    local directory status=0
    command -v cc >/dev/null || return 1
    directory=$(mktemp -d)
    printf '#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n' >"$directory/probe.c"
    cc -o "$directory/probe" "$directory/probe.c" >/dev/null 2>&1 || status=1
    rm -rf "$directory"
    return $status
}

has_programs() { [ -f "$1/initdb" ] && [ -f "$1/pg_ctl" ] && [ -f "$1/postgres" ]; }

# Looks where src/pg/embedded/programs.rs does.
finds_postgres() {
    local directory
    if [ -n "${ROWBELL_PG_BIN:-}" ]; then
        has_programs "$ROWBELL_PG_BIN" && return
        die "ROWBELL_PG_BIN is $ROWBELL_PG_BIN, which lacks initdb, pg_ctl or postgres" \
            "set it to the bin directory of PostgreSQL's server programs, or unset it"
    fi
    if directory=$(pg_config --bindir 2>/dev/null) && has_programs "$directory"; then return; fi
    for directory in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin; do
        has_programs "$directory" && return
    done
    local IFS=:
    for directory in $PATH; do
        has_programs "${directory:-.}" && return
    done
    return 1
}

# Examples for Node run on 18 and later.
has_node() {
    command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] >= 18 ? 0 : 1)' 2>/dev/null
}

# Debian's python3 cannot make environments without the package python3-venv.
has_python() { python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; }

# The tests of web/ need it: its modules run on 20 and later.
has_node_20() {
    command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' 2>/dev/null
}

# Looks where web/test/browser/chromium.js does.
has_chromium() {
    [ -n "${ROWBELL_CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v google-chrome >/dev/null ||
        [ -x '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome' ]
}

# Names of missing things, as words: compiler, postgres, node, curl, chromium, python.
missing() {
    local thing
    for thing in "$@"; do
        case $thing in
            compiler) links || echo compiler ;;
            postgres) finds_postgres || echo postgres ;;
            node) has_node || echo node ;;
            curl) command -v curl >/dev/null || echo curl ;;
            chromium) has_chromium || echo chromium ;;
            python) has_python || echo python ;;
        esac
    done
}

apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@" >&2; }

# Debian makes and starts a cluster with every new server package, which nobody asked for here. Its setting is put
# back afterwards.
install_postgres() {
    local setting=/etc/postgresql-common/createcluster.conf status=0
    apt_install postgresql-common || return
    cp -p "$setting" "$setting.rowbell"
    echo 'create_main_cluster = false' >>"$setting"
    apt_install postgresql || status=$?
    mv "$setting.rowbell" "$setting"
    return $status
}

# need_machine compiler postgres: installs what is missing of those, or says how to.
need_machine() {
    local wanted thing
    # `die` ends only the subshell, and has said why.
    wanted=$(missing "$@") || exit 1
    [ -n "$wanted" ] || return 0
    if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
        explain $wanted
    fi
    say "installing what is missing: "$wanted
    apt-get update -qq >&2 || die "apt-get update failed"
    for thing in $wanted; do
        case $thing in
            compiler) apt_install gcc libc6-dev ;;
            postgres) install_postgres ;;
            node) apt_install nodejs npm ;;
            curl) apt_install curl ;;
            chromium) apt_install chromium ;;
            python) apt_install python3-venv ;;
        esac || die "could not install what is missing: $thing"
    done
    wanted=$(missing "$@") || exit 1
    [ -z "$wanted" ] || die "still missing after installing: "$wanted
}

explain() {
    local debian='' fedora='' brew='' thing
    for thing in "$@"; do
        case $thing in
            compiler) debian+=' gcc libc6-dev' fedora+=' gcc' ;;
            postgres) debian+=' postgresql' fedora+=' postgresql-server postgresql postgresql-contrib' brew+=' postgresql@17' ;;
            node) debian+=' nodejs npm' fedora+=' nodejs npm' brew+=' node' ;;
            curl) debian+=' curl' fedora+=' curl' brew+=' curl' ;;
            chromium) debian+=' chromium' fedora+=' chromium' brew+=' --cask google-chrome' ;;
            python) debian+=' python3-venv' fedora+=' python3' brew+=' python@3.13' ;;
        esac
    done
    local lines=("Debian, Ubuntu: apt-get update && apt-get install -y$debian   (as root)" "Fedora: dnf install$fedora   (as root)")
    case " $* " in *' compiler '*) lines+=("macOS: xcode-select --install") ;; esac
    [ -z "$brew" ] || lines+=("macOS: brew install$brew")
    case " $* " in *' node '*) lines+=("Node.js must be 18 or newer: https://nodejs.org where the packages are older") ;; esac
    die "missing on this machine: $*; install and run this again" "${lines[@]}"
}
