#!/usr/bin/env bash
# What `make demo` shows: index the sample handbook, ask it four questions, then (on a terminal) go on talking.
set -euo pipefail
cd "$(dirname "$0")/.."
groundling() { .venv/bin/python -m bot "$@" --config examples/groundling.toml --data data/demo; }

echo "Indexing the sample handbook of Brackmoor Flow Ltd (28 documents in eight formats) ..."
groundling sync
echo
groundling ask - <<'QUESTIONS'
What do I get per kilometre if I use my own car for a business trip?
Until when can customers go on using version 2 of the Sluice API?
How soon do we have to respond to a severity 1 ticket of a customer with the Critical plan?
Is there a company nursery for small children?
QUESTIONS

if [ "${DEMO:-}" != once ] && [ -t 0 ] && [ -t 1 ]; then
    echo 'Ask your own questions now. An empty line begins a new conversation, "exit" ends it.'
    groundling chat
fi
