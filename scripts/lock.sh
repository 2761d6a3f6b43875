#!/bin/sh
# Writes requirements/*.txt: one universal resolution (all Pythons, all platforms) of everything
# together, then one file per purpose out of it, so that one virtual environment can hold them all.
# Hashes are in the files, index addresses are not.
set -eu
uv=$1
everything=$(mktemp)
trap 'rm -f "$everything"' EXIT
# Another index of the caller's would put other files' hashes in.
unset UV_INDEX UV_INDEX_URL UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS || true

# What the CDK asks for and no command of the connector imports: SQL, files of data, Google's
# secrets, the CDK's own command line. It would be three quarters of the image's own size. The
# integration tests run all commands without it.
left_out="cloudpickle dateparser google-api-core google-auth google-cloud-secret-manager
  googleapis-common-protos grpc-google-iam-v1 grpcio grpcio-status joblib markdown-it-py mdurl nltk
  numpy pandas proto-plus protobuf pyasn1 pyasn1-modules pygments rapidfuzz regex rich rich-click
  setuptools tqdm tzlocal unidecode"

compile() {
  "$uv" pip compile --quiet --no-config --universal --python-version 3.10 \
    --generate-hashes --no-annotate --no-header --no-emit-index-url --upgrade "$@" >/dev/null
}

compile --all-extras pyproject.toml requirements/build.in --output-file "$everything"
compile requirements/build.in --constraints "$everything" --output-file requirements/build.txt
compile pyproject.toml --constraints "$everything" --output-file requirements/run.txt \
  $(printf -- '--no-emit-package %s ' $left_out)
for extra in test check sync; do
  compile --extra "$extra" pyproject.toml --constraints "$everything" \
    --output-file "requirements/$extra.txt"
done

if grep -nE '^-|://| @ ' requirements/*.txt; then
  echo "a requirements file names an index or an address (above)" >&2
  exit 1
fi
