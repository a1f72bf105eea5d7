#!/usr/bin/env bash
# Brings a Postgres for the tests of the nested modules, where apt-get can. They start a cluster of their own in a temporary
# folder, and skip themselves aloud where there is none.
set -euo pipefail
if compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; then exit 0; fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
	echo 'no Postgres here, and no way to install one: its tests are skipped'
	exit 0
fi
export DEBIAN_FRONTEND=noninteractive
(apt-get update && apt-get install -y --no-install-recommends postgresql) >/tmp/antcrm-postgres.log 2>&1 ||
	{ tail -5 /tmp/antcrm-postgres.log; echo 'Postgres could not be installed: its tests are skipped'; }
