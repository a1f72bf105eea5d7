#!/usr/bin/env bash
# Puts Stoplight Prism's validating proxy between the quickstart and the fake, and fails on any violation of openapi.yaml, in either direction.
# Then it breaks the contract itself, once each way, to prove that a violation would have been seen. Needs npm; without it, or when Prism
# cannot be installed, says so and succeeds.
set -euo pipefail
cd "$(dirname "$0")/.."
prism=@stoplight/prism-cli@5.14.2

skip() { echo "prism-check: skipped: $*"; exit 0; }
fail() { echo "prism-check: $*" >&2; tail -n 40 "$work"/*.log >&2; exit 1; }
command -v npm >/dev/null 2>&1 && command -v node >/dev/null 2>&1 || skip "npm is not installed"

work=$(mktemp -d)
started=()
cleanup() {
	for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait
	rm -rf "$work"
}
trap cleanup EXIT
export npm_config_update_notifier=false npm_config_fetch_retries=1

npm install --prefix "$work/npm" --ignore-scripts --no-audit --no-fund --loglevel=error "$prism" >"$work/install.log" 2>&1 ||
	skip "$prism cannot be installed"

wait_for() { # wait_for PATTERN FILE PID: at most 30 seconds
	for _ in $(seq 150); do
		if grep -q "$1" "$2"; then return; fi
		kill -0 "$3" 2>/dev/null || fail "a server has stopped before it was ready"
		sleep 0.2
	done
	fail "a server is not ready after 30 seconds"
}

go build -o "$work/" ./cmd/antcrm-mock ./examples/quickstart
"$work/antcrm-mock" >"$work/fake.log" 2>&1 &
started+=($!)
wait_for '"url"' "$work/fake.log" $!
read -r fake key < <(node -e '
	const hello = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8").split("\n")[0]);
	console.log(hello.url, hello.apiKey);
' "$work/fake.log")

port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
"$work/npm/node_modules/.bin/prism" proxy --host 127.0.0.1 --port "$port" openapi.yaml "$fake" >"$work/prism.log" 2>&1 &
started+=($!)
wait_for 'Prism is listening' "$work/prism.log" $!
proxy=http://127.0.0.1:$port

ANTCRM_BASE_URL=$proxy ANTCRM_API_KEY=$key timeout 60 "$work/quickstart" >"$work/quickstart.log" 2>&1 || fail "the quickstart failed"
calls=$(grep -c 'Request received' "$work/prism.log" || true)
[[ $calls -gt 0 ]] || fail "no request of the quickstart went through Prism"
if grep -q 'Violation:' "$work/prism.log"; then
	grep 'Violation:' "$work/prism.log" >&2
	fail "the quickstart's traffic breaks openapi.yaml"
fi

# violations CONTROL PATH: sends one request through Prism, after arming a fault if CONTROL is not empty, and prints what Prism says of it.
violations() {
	node -e '
		const [fake, proxy, key, fault, path] = process.argv.slice(1);
		(async () => {
			if (fault) {
				const armed = await fetch(fake + "/_mock/faults", {method: "POST", headers: {"Content-Type": "application/json"}, body: fault});
				if (!armed.ok) throw new Error("arming a fault: " + armed.status + " " + await armed.text());
			}
			const answer = await fetch(proxy + path, {headers: {apikey: key}});
			console.log(answer.headers.get("sl-violations") ?? "none");
		})().catch(err => { console.error(err); process.exit(1); });
	' "$fake" "$proxy" "$key" "$1" "$2"
}
violations '' '/contacts?page=x' | grep -q '"request","query","page"' || fail "Prism did not see a bad request"
violations '{"path": "/products", "status": 200, "body": "[{\"name\": 7}]"}' '/products' | grep -q '"response","body"' ||
	fail "Prism did not see a bad answer"
echo "prism-check: $calls requests of the quickstart, no violation; two planted violations were seen"
