#!/usr/bin/env bash
# Opens the page of cmd/antcrm-mock in a headless Chromium and checks that what a browser makes of it is right: records, requests and faults are
# shown, hostile text stays text, and the browser's console reports nothing. Skips where there is no Chromium and none can be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

find_chromium() {
	local name
	for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
		if [[ -n $name ]] && command -v "$name" >/dev/null; then
			command -v "$name"
			return
		fi
	done
	return 1
}

browser=$(find_chromium || true)
if [[ -z $browser ]] && [[ ${CI:-} == true ]] && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
	echo 'no Chromium: trying to install it'
	if timeout -k 10 300 sh -c "apt-get update && apt-get install -y --no-install-recommends chromium" >/dev/null 2>&1 </dev/null; then
		browser=$(find_chromium || true)
	fi
fi
if [[ -z $browser ]]; then
	echo 'skipped: Chromium is not here and cannot be installed'
	exit 0
fi

tmp=$(mktemp -d)
server=
cleanup() {
	if [[ -n $server ]]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
	rm -rf "$tmp"
}
trap cleanup EXIT

cat >"$tmp/contacts.json" <<'JSON'
[{"name": "Nguyễn Văn Mẫu", "customerIdApiRing": "ERP-1"},
 {"name": "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">", "customerIdApiRing": "\"><b id=owned>"}]
JSON
echo '[{"path": "/products*", "status": 429, "retryAfter": "2s"}, {"path": "/<i>", "do": "close-after", "times": 1}]' >"$tmp/faults.json"

go build -o "$tmp/antcrm-mock" ./cmd/antcrm-mock
"$tmp/antcrm-mock" -key browser-check-key -seed "$tmp/contacts.json" -faults "$tmp/faults.json" >"$tmp/hello" &
server=$!
for _ in $(seq 100); do
	if [[ -s $tmp/hello ]]; then break; fi
	sleep 0.1
done
page=$(sed -n 's/.*"control":"\([^"]*\)".*/\1/p' "$tmp/hello")
url=${page%/_mock/}
[[ -n $page ]] || { echo 'antcrm-mock did not start' && exit 1; }

# The browser itself makes the requests that the page has to show.
browse() {
	timeout -k 5 60 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$tmp/profile" \
		--no-first-run --disable-background-networking --enable-logging=stderr --v=0 "$@"
}
if ! browse --dump-dom "$url/products?%3Cu%3Eowned" >"$tmp/first" 2>"$tmp/first.log"; then
	echo 'skipped: this Chromium does not run here'
	exit 0
fi
browse --dump-dom "$url/contacts" >/dev/null 2>&1
browse --dump-dom "$page?kind=contacts" >"$tmp/dom" 2>"$tmp/log"
browse --window-size=1200,900 --hide-scrollbars --screenshot="$tmp/page.png" "$page?kind=contacts" >/dev/null 2>&1

failed=0
expect() { # expect WHAT PATTERN: the page holds it
	if ! grep -q -- "$2" "$tmp/dom"; then echo "the page does not show $1" && failed=1; fi
}
refuse() { # refuse WHAT PATTERN FILE
	if grep -qi -- "$2" "$3"; then echo "found $1:" && grep -i -m 3 -- "$2" "$3" && failed=1; fi
}
expect 'its title' '<title>antcrm-mock</title>'
expect 'the records' 'Nguyễn Văn Mẫu'
expect 'hostile text as text' '&lt;script&gt;'
expect 'the armed faults' 'answer 429'
expect 'that a fault was met' 'met 1×'
expect 'a refused request' '/contacts'
expect 'the end of the page' 'id="faults"'
refuse 'a script that ran' '<title>owned' "$tmp/dom"
refuse 'an element out of a record' '<script\|<img\|<b id\|<u>owned\|<i>' "$tmp/dom"
refuse 'the key' 'browser-check-key' "$tmp/dom"
refuse 'a complaint of the browser' 'CONSOLE' "$tmp/log"
[[ -s $tmp/page.png ]] || { echo 'no screenshot was made' && failed=1; }
if [[ -n ${SCREENSHOT:-} ]]; then cp "$tmp/page.png" "$SCREENSHOT"; fi
if ((failed)); then exit 1; fi
echo "the page is right in $("$browser" --version 2>/dev/null | head -1)"
