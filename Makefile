# cms: offers and coupons inside PostgreSQL.   "make help" lists what can be made.
#
# Three sections: what the user may set, what is done with it without PostgreSQL's build system
# (check, demo …: these first install what is missing), and the build itself (PGXS).

EXTENSION = cms

# ---- settings -------------------------------------------------------------------------------
# Each of them may be given on the command line: make install PG_CONFIG=/opt/pg17/bin/pg_config

# The PostgreSQL to build for: pg_config of the path, else the newest that Debian's packages hold.
PG_CONFIG ?= $(or $(shell command -v pg_config),$(lastword $(shell ls -v /usr/lib/postgresql/*/bin/pg_config 2>/dev/null)),pg_config)
# Warnings are errors; "make WERROR=" builds with a compiler that knows more warnings than we do.
WERROR ?= -Werror
# ASSERTS=1 compiles assertions and debug points in. Tests do that in a build tree of their own
# (test/server copies the sources to tmp/), so that nothing with assertions is ever installed.
ASSERTS ?=
# One test instead of all of a part: make check-tap TESTS=F24
TESTS ?=
# Where "make replay" finds the public data set.
CMS_REPLAY_DATA ?= ../shared/data/completejourney

export PG_CONFIG WERROR TESTS CMS_REPLAY_DATA

EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)

# ---- goals that bring their own server --------------------------------------------------------
CHECKS  = check-regress check-tap check-isolation check-cluster check-readme check-replay
PRIVATE = help check $(CHECKS) lint demo replay bench bench-redeem bench-bulk bench-sweep psql stop packages

goals = $(or $(MAKECMDGOALS),all)

ifneq ($(filter-out $(PRIVATE),$(goals)),)
ifneq ($(filter $(PRIVATE),$(goals)),)
# Some of both ("make install check"): one after the other, each in a make of its own.
.NOTPARALLEL:
.PHONY: $(goals)
$(goals):
	+@$(MAKE) --no-print-directory $@
else
WITH_PGXS = yes
endif
else
.PHONY: $(PRIVATE)

help: ## this list
	@printf '\n  \033[1mcms $(EXTVERSION)\033[0m  offers and coupons inside PostgreSQL\n\n'
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | \
		awk -F '\t' '{ printf "  make \033[36m%-16s\033[0m %s\n", $$1, $$2 }'
	@printf '\n  One test alone: make check-tap TESTS=name.  More in test/README.md.\n\n'

check: ## build strictly and run every test on a private server
	@test/check

check-regress: ## exact output: surface, privileges, messages (pg_regress)
check-tap: ## behaviour (pgTAP)
check-isolation: ## interleavings of sessions (isolation tester)
check-cluster: ## whole servers: crash, dump and restore, pg_cron
check-readme: ## the examples of README.md, run as pasted
check-replay: ## the same as replay
$(CHECKS):
	@test/check $(@:check-%=%)

lint: ## small gates over sources, SQL, versions and the tests themselves
	@test/check lint

demo: packages ## a private server with a story to watch; stays up for "make psql"
	@test/server stop 2>/dev/null
	@test/server start --release
	@if [ -f demo/story.sql ]; then test/server psql -X -q -f demo/story.sql; \
		else echo 'demo: no story yet (demo/story.sql)'; fi
	@printf '\n  The server is still running:  make psql   to look around\n'
	@printf   '                                make stop   to end and remove it\n\n'

replay: ## real purchases of a retailer, replayed and compared
	@test/check replay

bench: bench-redeem ## all benchmarks; results are only as good as the machine is idle
bench-redeem: packages ## redeeming, checking, issuing beside rivals (TESTS="distinct hot …")
	@test/server run --release --fsync --set shared_buffers=1GB --set checkpoint_timeout=60min -- \
		test/bench/run $(TESTS)

bench-bulk: packages ## making, issuing and removing millions beside COPY (TESTS="issue generate …")
	@test/server run --release --fsync --set shared_buffers=1GB --set checkpoint_timeout=60min --set max_wal_size=24GB -- \
		test/bench/bulk $(TESTS)

bench-sweep: packages ## reminders found and queued, idle sweeps, redemptions beside (TESTS="found idle …")
	@test/server run --release --fsync --set shared_buffers=1GB --set checkpoint_timeout=60min --set max_wal_size=100GB -- \
		test/bench/sweep $(TESTS)

psql: ## a session on the server of "make demo"
	@test/server psql

stop: ## end the server of "make demo" and remove it
	@test/server stop

packages: ## install what is missing to build and test (Debian)
	@test/packages
endif

# ---- the build ----------------------------------------------------------------------------------
ifdef WITH_PGXS
all: ## build the library and the install script
install: ## install both into PostgreSQL
installcheck: ## regression and isolation tests on the running server
clean: ## remove what was built

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
$(error PostgreSQL's build files are missing ($(PG_CONFIG) --pgxs). Install them, on Debian with "make packages", or set PG_CONFIG)
endif
PG_MAJOR := $(shell $(PG_CONFIG) --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
ifneq ($(shell test $(PG_MAJOR) -ge 15 && echo new),new)
$(error cms needs PostgreSQL 15 or newer; $(PG_CONFIG) is of version $(PG_MAJOR). Set PG_CONFIG)
endif

MODULE_big = $(EXTENSION)
OBJS       = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
PARTS      = $(sort $(wildcard sql/parts/*.sql))
DATA       = $(wildcard sql/$(EXTENSION)--*--*.sql)
DATA_built = sql/$(EXTENSION)--$(EXTVERSION).sql
# PGXS cannot install an empty list of documents.
ifneq ($(wildcard doc/*.md),)
DOCS       = $(wildcard doc/*.md) doc/partition.sql
endif

# Inputs are under test/, outputs in expected/ (a later --inputdir overrides the one of PGXS).
REGRESS        = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS   = --inputdir=test --load-extension=$(EXTENSION)
ISOLATION      = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --load-extension=$(EXTENSION) --launcher=test/isolation/with-oracle

PG_CPPFLAGS = -DCMS_VERSION='"$(EXTVERSION)"'
ifneq ($(ASSERTS),)
PG_CPPFLAGS += -DUSE_ASSERT_CHECKING -DCMS_DEBUG_POINTS
endif
SHLIB_LINK  = -lcrypto
EXTRA_CLEAN = $(OBJS:.o=.d) results output_iso regression.diffs regression.out \
	tmp/build-asserts tmp/build-release tmp/check

# No LLVM bitcode: it only serves to inline C functions into JIT code, which nothing here gains
# from, and it would ask for the very clang the server was built with. "make with_llvm=yes" has it.
ifneq ($(origin with_llvm),command line)
override with_llvm = no
endif

include $(PGXS)

# After PGXS, because the last flag wins. C17, declarations where the value is known, members left
# out of an initializer are zero; the two other exceptions are what the server's own headers and
# the signature of every SQL function need under -Wextra.
override CFLAGS += -std=c17 -Wall -Wextra $(WERROR) -Wno-declaration-after-statement \
	-Wno-missing-field-initializers -Wno-unused-parameter -Wno-sign-compare -MMD -MP
-include $(OBJS:.o=.d)

# The version and the flags are part of every object.
$(OBJS): $(EXTENSION).control Makefile

# One script, made of the parts in the order of their names.
$(DATA_built): $(PARTS) $(EXTENSION).control
	@test -n '$(PARTS)' || { echo 'sql/parts holds no part' >&2; exit 1; }
	cat $(PARTS) > $@.new && mv $@.new $@
endif
