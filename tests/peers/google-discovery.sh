#!/usr/bin/env bash
# Google's own descriptions of its APIs, out of the PyPI package google-api-python-client, for the tests that hold our
# requests against them. Writes google/<api>.json beside this file.
set -euo pipefail
cd "$(dirname "$0")"

readonly VERSION=2.202.0
readonly APIS="gmail.v1 sheets.v4 drive.v3"
[ -f "google/$VERSION" ] && exit 0

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip download --quiet --no-deps --dest "$folder" "google-api-python-client==$VERSION"
mkdir -p google
python3 - "$folder" $APIS <<'PY'
import glob, sys, zipfile
folder, *apis = sys.argv[1:]
with zipfile.ZipFile(glob.glob(folder + '/*.whl')[0]) as wheel:
    for api in apis:
        with open(f'google/{api}.json', 'wb') as out:
            out.write(wheel.read(f'googleapiclient/discovery_cache/documents/{api}.json'))
PY
touch "google/$VERSION"
