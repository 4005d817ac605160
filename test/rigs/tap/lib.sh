# What up, down, service and with share; to be sourced. Settings: README.md.
umask 022 # the user that runs it reads what root writes
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PGBIN=/usr/lib/postgresql/15/bin
BEGAN=$(date +%s.%N)

elapsed() { awk -v a="$(date +%s.%N)" -v b="$BEGAN" 'BEGIN{printf "%.1f", a-b}'; }
say() { echo "[$(elapsed) s] $*"; }
die() { # reason [log...]: the last lines of each log follow
	echo "rig tap: FAILED after $(elapsed) s: $1" >&2
	shift
	local f
	for f in "$@"; do
		[ -s "$f" ] && { echo "--- last lines of $f" >&2; tail -n 25 "$f" >&2; }
	done
	exit 1
}

# state_dir sets S, the folder of one rig, and the ports that it had last time.
state_dir() { # [DIR]
	S=${1:-${RIG_TAP_STATE:-${TMPDIR:-/tmp}/beampipe-rig-tap}}
	case $S in /*) ;; *) S=$PWD/$S ;; esac
	[[ $S =~ ^[A-Za-z0-9_./-]+$ ]] || die "state directory '$S': only letters, digits and _ . / - please (RIG_TAP_STATE)"
	[ ${#S} -lt 80 ] || die "state directory '$S' is too long a name for a PostgreSQL socket: at most 79 characters (RIG_TAP_STATE)"
	PORT= PGPORT=
	if [ -s "$S/ports" ]; then read -r PORT PGPORT <"$S/ports"; fi
}

# identity sets AS, the command in front of whatever PostgreSQL and DaCHS do: PostgreSQL refuses root,
# so root hands over to the user that Debian's package makes for it.
identity() {
	if [ "$(id -u)" = 0 ]; then U=postgres; else U=$(id -un); fi
	G=$(id -gn "$U" 2>/dev/null) || die "there is no user $U: install postgresql-15"
	local clean=(env -i PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME="$S/home"
		GAVOSETTINGS="$S/gavo.rc" GAVOCUSTOM="$S/none" PGPASSFILE="$S/pgpass" MPLCONFIGDIR="$S/home")
	if [ "$(id -u)" = 0 ]; then
		AS=(setpriv "--reuid=$U" "--regid=$G" --init-groups "${clean[@]}")
	else
		AS=("${clean[@]}")
	fi
}
own() { if [ "$(id -u)" = 0 ]; then chown "$@"; fi; }

# alive: is the process that a pid file names still the one that up started?
alive() { # pidfile pattern-of-its-command-line
	local p
	p=$(head -n1 "$1" 2>/dev/null) || return 1
	[[ $p =~ ^[0-9]+$ ]] && [ -r "/proc/$p/cmdline" ] && tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null | grep -q -- "$2"
}
postgres_alive() { alive "$S/postgres.pid" "$S/pg"; }
dachs_alive() { alive "$S/dachs.pid" "dachs serve"; }

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
	local p
	for _ in $(seq 50); do
		p=$((20000 + RANDOM % 10000))
		taken $p || { echo $p; return; }
	done
	die "no free port found between 20000 and 29999"
}

# finish stops what a pid file names and waits for its end. A pid file that is stale is removed.
finish() { # pidfile pattern signal name [group: with all its children]
	local p target
	p=$(head -n1 "$1" 2>/dev/null) || { echo "$4: not running"; return 0; }
	if ! alive "$1" "$2"; then
		rm -f "$1"
		echo "$4: not running, its pid file was stale"
		return 0
	fi
	target=$p
	[ "${5:-}" = group ] && target=-$p
	kill "-$3" -- "$target"
	for _ in $(seq 150); do
		[ -d "/proc/$p" ] || break
		sleep 0.1
	done
	if alive "$1" "$2"; then
		echo "$4: pid $p is still there after 15 s" >&2
		return 1
	fi
	rm -f "$1"
	echo "$4: stopped pid $p ($3)"
}

# start_dachs starts the TAP server, a session of its own, so that its jobs' processes end with it.
start_dachs() {
	taken "$PORT" && die "port $PORT is in use: choose another with RIG_TAP_PORT"
	(cd "$S" && exec setsid "${AS[@]}" /usr/bin/dachs serve start --foreground </dev/null >>"$S/log/dachs.log" 2>&1) &
	echo $! >"$S/dachs.pid"
}

# wait_dachs waits until a query is answered, and sets ROWS to the rows of ivoa.obscore.
wait_dachs() {
	local end=$((SECONDS + ${RIG_TAP_WAIT:-120})) code=
	until [ "$code" = 200 ] && ROWS=$(tail -n1 "$S/log/first.out" | tr -d '\r') && [[ $ROWS =~ ^[0-9]+$ ]]; do
		[ -d "/proc/$(cat "$S/dachs.pid")" ] || die "DaCHS ended" "$S/log/dachs.log" "$S/dachs/logs/dcErrors"
		[ $SECONDS -lt $end ] || die "no answer at http://127.0.0.1:$PORT/tap/sync within ${RIG_TAP_WAIT:-120} s (last HTTP status '$code')" \
			"$S/log/dachs.log" "$S/log/first.out" "$S/dachs/logs/dcErrors"
		[ -z "$code" ] || sleep 0.3
		code=$(curl -s -o "$S/log/first.out" -w '%{http_code}' --max-time 20 "http://127.0.0.1:$PORT/tap/sync" \
			-d REQUEST=doQuery -d LANG=ADQL -d FORMAT=csv \
			--data-urlencode "QUERY=SELECT COUNT(*) AS n FROM ivoa.obscore WHERE filename LIKE 'HIPASSJ%'")
	done
}
