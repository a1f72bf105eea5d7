#!/usr/bin/env bash
# Lints openapi.yaml, its examples included. Needs npm; without it, or when the linter cannot be installed, says so and succeeds.
# usage: .ci/lint-openapi.sh [FILE]
set -euo pipefail
cd "$(dirname "$0")/.."
spec=${1:-openapi.yaml}
linter=@redocly/cli@2.77.0

skip() { echo "lint-openapi: skipped: $*"; exit 0; }
command -v npm >/dev/null 2>&1 && command -v node >/dev/null 2>&1 || skip "npm is not installed"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export npm_config_update_notifier=false npm_config_fetch_retries=1 REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error "$linter" >"$work/install.log" 2>&1 ||
	skip "$linter cannot be installed"

cat >"$work/redocly.yaml" <<'YAML'
extends: [recommended-strict]
rules:
  # Records carry more than the vendor documents. Bodies that take no other fields say so in their schemas.
  no-invalid-media-type-examples: {severity: error, allowAdditionalProperties: true}
  no-invalid-schema-examples: {severity: error, allowAdditionalProperties: true}
  no-invalid-parameter-examples: {severity: error, allowAdditionalProperties: true}
  operation-operationId: error
  operation-description: error
  parameter-description: error
  component-name-unique: error
  no-required-schema-properties-undefined: error
  no-schema-type-mismatch: error
YAML
"$work/node_modules/.bin/redocly" lint --config "$work/redocly.yaml" "$spec" 2>"$work/lint.log" || { cat "$work/lint.log"; exit 1; }
grep -v "^ *[╔║╚]" "$work/lint.log" | grep . || true
