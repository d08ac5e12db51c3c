# The index of commands; `just` lists them.

[private]
default:
    @just --list

# The whole job in a browser: simulated vendors, a demo company, sample events
demo:
    cargo run --release -- demo

# Everything CI checks, from format to PostgreSQL; installs what it misses
test:
    scripts/test

# The tests whose names contain FILTER, on both databases
test-only FILTER:
    cargo test --workspace {{ FILTER }}

# Format everything
fmt:
    cargo fmt --all

# Clippy, as CI runs it
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# Throughput and latency against a durable relay doing the same job, in one run
bench *ARGS:
    cargo build --profile dist -p santral -p bench
    target/dist/bench {{ ARGS }}

# Kill the server KILLS times under load, at random and at named points, on sqlite or postgres
crash-test KILLS="300" ENGINE="sqlite" SEED="20261124":
    CRASH_KILLS={{ KILLS }} CRASH_SEED={{ SEED }} cargo test --features fault-points --test proof \
        -- crash:: --nocapture --skip engine_{{ if ENGINE == "sqlite" { "2" } else { "1" } }}

# Leases and tokens raced against each other by seed, step by step
simulate SEEDS="600":
    SIMULATION_SEEDS={{ SEEDS }} cargo test --features fault-points --test proof -- simulated::

# Everything that only holds when something goes wrong, and the bugs that its oracles must find
proof FILTER="":
    cargo test --features fault-points --test proof {{ FILTER }}

# The API against its own description, EXAMPLES requests for each endpoint and phase
conform EXAMPLES="100":
    CONFORM_EXAMPLES={{ EXAMPLES }} cargo test --test it description

# The parsers of outside data over RUNS mutations of their corpora (`cargo fuzz` needs a nightly toolchain)
fuzz RUNS="1000000" SEED="1":
    FUZZ_RUNS={{ RUNS }} FUZZ_SEED={{ SEED }} cargo test --features fault-points --test proof -- fuzz::

# Licences, bans, sources and advisories of every dependency
deny:
    cargo deny check

# Spelling of code and English pages
typos:
    typos

# Write openapi.json and docs/configuration.md anew
generate:
    scripts/generate

# The crates' own documentation
docs:
    cargo doc --workspace --no-deps --open
