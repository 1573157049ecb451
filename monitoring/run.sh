#!/usr/bin/env bash
# Runs a command that serves /metrics, and a Prometheus with these rules beside it, until the command ends (Ctrl-C).
#
#   monitoring/run.sh PORT COMMAND...      PORT: where the command serves /metrics on this machine
#
# PROMETHEUS_PORT: where Prometheus answers on this machine (9090). Its data are in a temporary folder.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: monitoring/run.sh PORT COMMAND..." >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
metrics_port=$1 port=${PROMETHEUS_PORT:-9090}
shift

command -v prometheus >/dev/null || {
  echo "make monitoring needs prometheus on the PATH: install Debian's package prometheus" >&2
  exit 1
}
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
if listens "$port"; then
  echo "port $port is in use, perhaps by a Prometheus of this machine: choose another one with PROMETHEUS_PORT" >&2
  exit 1
fi

folder=$(mktemp -d)
prometheus_pid= command_pid=
finish() {
  trap - INT TERM
  if [ -n "$command_pid" ]; then kill -INT -- "-$command_pid" 2>/dev/null || true; fi
  if [ -n "$prometheus_pid" ]; then kill "$prometheus_pid" 2>/dev/null || true; fi
  wait || true
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 0' INT
trap 'exit 143' TERM
# A process group for each job: Ctrl-C reaches only this script, which ends both, as it does when it is terminated.
set -m

# Whoever looks on does not want to wait.
sed 's/_interval: 15s/_interval: 3s/; /^scrape_configs:/q' "$here/prometheus.yml" >"$folder/prometheus.yml"
echo "  - {job_name: millrace, static_configs: [{targets: [\"127.0.0.1:$metrics_port\"]}]}" >>"$folder/prometheus.yml"
ln -s "$here/rules" "$folder/rules"
prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" \
  --web.listen-address="127.0.0.1:$port" --log.level=error &
prometheus_pid=$!
until listens "$port"; do
  kill -0 "$prometheus_pid" 2>/dev/null || { echo "Prometheus ended at once" >&2; exit 1; }
  sleep 0.2
done

# Debian's package has the older pages, under another path.
pages=http://127.0.0.1:$port
if [[ $(prometheus --version 2>&1) == *debian* ]]; then pages+=/classic; fi
cat <<LINKS
Prometheus runs until Ctrl-C:
  alerts   $pages/alerts
  targets  $pages/targets
  graph    $pages/graph?g0.expr=sum%20by%20(stream%2C%20outcome)%20(millrace_records_total)&g0.tab=0&g0.range_input=15m

LINKS
"$@" &
command_pid=$!
wait "$command_pid"
