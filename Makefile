# SPDX-License-Identifier: Apache-2.0
# All commands for this tree. `make` alone lists them.

prefix ?= /usr/local
sbindir ?= $(prefix)/sbin
bindir ?= $(prefix)/bin
includedir ?= $(prefix)/include
libdir ?= $(prefix)/lib
pkgconfigdir ?= $(libdir)/pkgconfig
# Where packages put plugins that are shared objects. The configuration names each with its path.
plugindir ?= $(libdir)/sxenstored/plugins
mandir ?= $(prefix)/share/man
docdir ?= $(prefix)/share/doc/sxenstored
bashcompletiondir ?= $(prefix)/share/bash-completion/completions
zshcompletiondir ?= $(prefix)/share/zsh/vendor-completions
fishcompletiondir ?= $(prefix)/share/fish/vendor_completions.d
unitdir ?= $(prefix)/lib/systemd/system
presetdir ?= $(prefix)/lib/systemd/system-preset
# The daemon looks for the glue there, beside the folder of its own executable.
gluedir = $(abspath $(sbindir)/..)/lib/sxenstored/xen
# The daemon reads $(sysconfdir)/xen/sxenstored.yaml. The prefix does not change that.
sysconfdir ?= /etc

# The traits to compile in, such as TRAITS='--disable-default-traits --traits TDB'; all by default.
TRAITS ?=
# Options of every build, such as SWIFTFLAGS='-Xswiftc -warnings-as-errors'.
SWIFTFLAGS ?=
# Options of the benchmarks, such as BENCH="--set tree --rounds 9".
BENCH ?=
# Options of the measurement at scale, such as SCALE="--running 0,1000 --only 'C 4.17'".
SCALE ?=
# Options of the budget: BUDGET=--update writes what is measured into Tests/Benchmarks/budget.
BUDGET ?=
# The scenarios of `make system-test`. Each boots a machine and takes about a minute.
SCENARIOS ?= pv pvh devices lifecycle crash damage unconfigured
# The number of kills of `make crash-test` for each way to sync; a seed, to repeat a run; a single way to sync.
KILLS ?= 3000
SEED ?=
SYNC ?=
# The number of busy loops beside the kills. 2 keep two processors busy, so the kills come at other points of the work.
LOAD ?=
# The number of power cuts for each way to sync. After them each call on the files fails once.
CUTS ?= 3000
# The examples of `make examples`. Those in C take seconds, those in Swift minutes.
EXAMPLES ?= vsock sqlite-storage audit-trail tls-view
# The folder for the sockets of `make run`.
RUNDIR ?= $(CURDIR)/run

comma := ,
# The traits that need libraries: those in TRAITS, or all.
LIBRARIES = $(if $(findstring --disable-default-traits,$(TRAITS)),\
	$(filter TDB EventChannelRing,$(subst $(comma), ,$(TRAITS))),TDB EventChannelRing)
BUILD = swift build $(TRAITS) $(SWIFTFLAGS)
# An executable must not search for libraries in the builder's toolchain or in its own folder.
LINK = --disable-local-rpath -Xlinker -z -Xlinker now
# Nobody links against the executables, so the linker may drop what nothing in them uses, and keep one of equal functions.
LINK += -Xswiftc -Xfrontend -Xswiftc -function-sections -Xswiftc -Xfrontend -Xswiftc -internalize-at-link
LINK += -Xlinker --no-export-dynamic -Xlinker --icf=safe
# Dynamic checks of exclusive access take half of a request's instructions, as transports hold sessions too, which
# are objects. One thread serves, and all tests run with the checks.
UNCHECKED = -Xswiftc -enforce-exclusivity=unchecked
# Builds with different flags need different folders. In one folder each would undo the other.
DAEMON_FOLDER = .build_release
TOOL_FOLDER = .build_tool
# The glue, one file for each version of Xen that it was built for.
GLUE_FOLDER = .build_glue
EXAMPLE_FOLDER = .build_examples
# Swift's runtime is C++. Linking the C++ library in as well saves a quarter of the daemon's start. The linker takes the
# static library from a folder that has nothing else.
CXX_FOLDER = $(CURDIR)/$(DAEMON_FOLDER)/cxx
STATIC = -Xswiftc -static-stdlib -Xswiftc -L$(CXX_FOLDER) -Xswiftc -Xclang-linker -Xswiftc -static-libgcc
# The tests of these start no daemon, or hardly any.
UNIT = XenStoreWire|XenStorePlugin|XenStoreKernel|XenStoreClient|CommandLineOptions|Configuration|Reactor|StreamSocket|Tidy
SOURCES = Package.swift Sources Plugins Tests
PAGES = packaging/man/sxenstored.8 packaging/man/sxenstored.yaml.5 packaging/man/xenstore.1
TOOLS = chmod control exists list ls read rm watch write

.DEFAULT_GOAL := help
.PHONY: help run build release xen-glue unit test crash-test system-test hostile lint format check bench scale budget \
	tables docs completions waits new-plugin new-plugin-test api api-check \
	install install-dev install-glue install-units clean

help: ## This list
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' Makefile | expand -t 22

run: ## Build and start a daemon of your own in the foreground (sockets in RUNDIR, default ./run)
	@packaging/debian-packages build $(LIBRARIES)
	$(BUILD)
	@printf '%s\n' '' 'A store of your own, in memory. From another terminal:' '' \
		"  export XENSTORED_RUNDIR='$(RUNDIR)'" \
		'  $(CURDIR)/.build/debug/xenstore write /greeting hello' \
		'  $(CURDIR)/.build/debug/xenstore ls /' \
		"  xenstore-ls /      with Debian's own tools (package xenstore-utils)" '' 'Ctrl-C ends it.' ''
	@XENSTORED_RUNDIR='$(RUNDIR)' exec .build/debug/sxenstored --no-fork --config etc/sxenstored-standalone.yaml

build: ## Build everything for debugging
	@packaging/debian-packages build $(LIBRARIES)
	$(BUILD) --build-tests

release: ## Build what `make install` installs: the daemon with Swift linked in, the tools fully static
	@packaging/debian-packages build $(LIBRARIES)
	mkdir -p $(CXX_FOLDER)
	ln -sf "$$(clang -print-file-name=libstdc++.a)" $(CXX_FOLDER)
	$(BUILD) -c release --product sxenstored --scratch-path $(DAEMON_FOLDER) $(STATIC) $(UNCHECKED) $(LINK)
	$(BUILD) -c release --product xenstore --scratch-path $(TOOL_FOLDER) -Xswiftc -static-executable $(LINK)
	$(if $(filter EventChannelRing,$(LIBRARIES)),$(MAKE) xen-glue)
	# Beside this daemon, as beside an installed one.
	mkdir -p $(DAEMON_FOLDER)/release/../lib/sxenstored
	ln -sfn $(CURDIR)/$(GLUE_FOLDER) $(DAEMON_FOLDER)/release/../lib/sxenstored/xen

xen-glue: ## Build only the glue for the Xen of this machine's libxen-dev (another Xen: CFLAGS, LDFLAGS)
	@packaging/debian-packages EventChannelRing
	CFLAGS='$(CFLAGS)' LDFLAGS='$(LDFLAGS)' packaging/xen-glue $(GLUE_FOLDER)

unit: ## Run the tests that need no daemon, in some seconds
	@packaging/debian-packages build $(LIBRARIES)
	QUICK=1 swift test $(TRAITS) $(SWIFTFLAGS) --filter '^($(UNIT))Tests\.'

test: ## Run all tests (one: swift test --filter NAME)
	@packaging/debian-packages build $(LIBRARIES) test
	swift test $(TRAITS) $(SWIFTFLAGS)

crash-test: release ## Kill the daemon at thousands of moments, cut its power, fail its disk (KILLS, CUTS, SEED, SYNC, LOAD)
	@packaging/debian-packages build $(LIBRARIES) test
	KILLS='$(KILLS)' SEED='$(SEED)' SYNC='$(SYNC)' LOAD='$(LOAD)' \
		DAEMON='$(CURDIR)/$(DAEMON_FOLDER)/release/sxenstored' \
		swift test $(TRAITS) $(SWIFTFLAGS) --filter CrashTests
	POWER_LOSS_CUTS='$(CUTS)' FAILING_CALLS_STEP=1 \
		swift test $(TRAITS) $(SWIFTFLAGS) --filter 'PowerLossTests|FailingCallTests'

system-test: release ## Boot a real Xen on the daemon (SCENARIOS, all by default; skipped without Debian's packages)
	@Tests/System/run --binary $(DAEMON_FOLDER)/release/sxenstored $(SCENARIOS) || \
		{ status=$$?; [ $$status -eq 77 ] || exit $$status; }

.PHONY: examples
examples: release ## Build and test the examples of plugins from copies elsewhere, as a stranger would (EXAMPLES)
	@packaging/debian-packages build $(LIBRARIES) examples
	SWIFTFLAGS='$(SWIFTFLAGS)' Plugins/Examples/run $(EXAMPLE_FOLDER) $(EXAMPLES)

hostile: release ## Show how much memory hostile guests take, and how long they keep others waiting
	@packaging/debian-packages build $(LIBRARIES) test
	HOSTILE=1 DAEMON='$(CURDIR)/$(DAEMON_FOLDER)/release/sxenstored' \
		swift test $(TRAITS) $(SWIFTFLAGS) --filter 'WaitingTests|MemoryTests'

tables: ## Write what the READMEs, the manual and etc/sxenstored.yaml lack about a new plugin
	WRITE_TABLES=1 swift test $(TRAITS) $(SWIFTFLAGS) --filter KeyTableTests

api: ## Write into packaging/api what others may use: the Swift libraries and the header for C
	@packaging/debian-packages build $(LIBRARIES)
	$(BUILD)
	packaging/api/list.py write

api-check: ## Say what has changed for those who use the Swift libraries or the header, and whether it breaks them
	@packaging/debian-packages build $(LIBRARIES)
	$(BUILD)
	packaging/api/list.py check

new-plugin: ## Make a plugin to begin with (KIND=transport|storage|policy NAME=my-plugin [OUT=folder] [LANGUAGE=swift|c])
	@packaging/new-plugin $(foreach word,KIND NAME OUT LANGUAGE,\
		$(if $(findstring command,$(origin $(word))),'$(word)=$($(word))'))

new-plugin-test: ## Build and test each Swift package that make new-plugin makes
	@packaging/debian-packages build TDB
	# In the copy that the examples use, so that it is built once for both.
	Plugins/Examples/run $(EXAMPLE_FOLDER)
	$(EXAMPLE_FOLDER)/sxenstored/packaging/new-plugin-test $(EXAMPLE_FOLDER)/build

completions: ## Write packaging/completions from the options of the daemon and of the tools
	WRITE_COMPLETIONS=1 swift test $(TRAITS) $(SWIFTFLAGS) --filter CompletionTests

docs: ## Build the documentation in .build/docs, one archive for each library in Sources
	@packaging/debian-packages build $(LIBRARIES)
	$(BUILD)
	packaging/documentation .build/docs

lint: ## Check the form of the code and of the manual pages
	@packaging/debian-packages lint
	swift format lint --strict --parallel --recursive $(SOURCES)
	mandoc -T lint -W warning $(PAGES)

format: ## Format the code
	swift format --in-place --parallel --recursive $(SOURCES)

check: lint test ## Lint and test, as before a commit

bench: release ## Compare the speed with the other daemons and with an echo server
	@packaging/debian-packages bench
	Tests/Benchmarks/run $(DAEMON_FOLDER)/release/sxenstored compare.py $(BENCH)

scale: release ## Show what a VM costs while up to 10,000 run, and what is near the floor (SCALE)
	@packaging/debian-packages bench
	Tests/Benchmarks/run $(DAEMON_FOLDER)/release/sxenstored scale.py $(SCALE)
	Tests/Benchmarks/run $(DAEMON_FOLDER)/release/sxenstored compare.py --set directory,near

budget: release ## Hold what a request costs (instructions, allocations) against Tests/Benchmarks/budget
	@packaging/debian-packages budget
	python3 -B Tests/Benchmarks/budget.py $(DAEMON_FOLDER)/release/sxenstored $(BUDGET)

waits: release ## Measure how long others wait for large requests (WAITS=--help)
	@packaging/debian-packages bench
	mkdir -p .build_bench
	cc -O2 -shared -fPIC -fvisibility=hidden -o .build_bench/libfakexen.so Tests/FakeXen/*.c -ldl
	python3 -B Tests/Benchmarks/waits.py $(DAEMON_FOLDER)/release/sxenstored $(WAITS)

install: install-units install-glue install-dev ## Install the results of `make release` (DESTDIR, prefix, sbindir, bindir, sysconfdir, ...)
	install -D --strip $(DAEMON_FOLDER)/release/sxenstored '$(DESTDIR)$(sbindir)/sxenstored'
	install -D --strip $(TOOL_FOLDER)/release/xenstore '$(DESTDIR)$(bindir)/xenstore'
	for tool in $(TOOLS); do ln -sf xenstore "$(DESTDIR)$(bindir)/xenstore-$$tool"; done
	# The old name of xenstore-ls.
	ln -sf xenstore '$(DESTDIR)$(bindir)/xsls'
	# An existing configuration belongs to the administrator.
	test -e '$(DESTDIR)$(sysconfdir)/xen/sxenstored.yaml' || \
		install -D --mode 644 etc/sxenstored.yaml '$(DESTDIR)$(sysconfdir)/xen/sxenstored.yaml'
	install -d '$(DESTDIR)$(docdir)/examples'
	install --mode 644 README.md '$(DESTDIR)$(docdir)'
	install --mode 644 etc/sxenstored-standalone.yaml etc/sxenstored.default '$(DESTDIR)$(docdir)/examples'
	for page in $(PAGES); do \
		install -D --mode 644 "$$page" "$(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/}"; done
	for program in sxenstored xenstore; do \
		install -D --mode 644 packaging/completions/$$program.bash "$(DESTDIR)$(bashcompletiondir)/$$program"; \
		install -D --mode 644 packaging/completions/$$program.zsh "$(DESTDIR)$(zshcompletiondir)/_$$program"; \
		install -D --mode 644 packaging/completions/$$program.fish "$(DESTDIR)$(fishcompletiondir)/$$program.fish"; done
	# Bash and fish look for a file by the name of the command.
	for tool in $(TOOLS); do \
		ln -sf xenstore "$(DESTDIR)$(bashcompletiondir)/xenstore-$$tool"; \
		ln -sf xenstore.fish "$(DESTDIR)$(fishcompletiondir)/xenstore-$$tool.fish"; done
	ln -sf xenstore '$(DESTDIR)$(bashcompletiondir)/xsls'
	ln -sf xenstore.fish '$(DESTDIR)$(fishcompletiondir)/xsls.fish'

install-glue: ## Install only the results of `make xen-glue`, as for a package for each Xen
	for glue in $(GLUE_FOLDER)/xenctrl-*.so; do if [ -e "$$glue" ]; then \
		install -D --strip --mode 644 "$$glue" "$(DESTDIR)$(gluedir)/$${glue##*/}"; fi; done

install-dev: ## Install only what authors of plugins in C need: the header and its pkg-config file
	install -D --mode 644 Sources/CPlugin/include/sxenstored-plugin.h '$(DESTDIR)$(includedir)/sxenstored-plugin.h'
	install -d '$(DESTDIR)$(pkgconfigdir)' '$(DESTDIR)$(plugindir)'
	sed -e 's|@prefix@|$(prefix)|' -e 's|@includedir@|$(includedir)|' -e 's|@plugindir@|$(plugindir)|' \
		-e "s|@abi@|$$(sed -n 's/^#define SXP_ABI //p' Sources/CPlugin/include/sxenstored-plugin.h)|" \
		-e "s|@version@|$$(sed -n 's/.*version = "\(.*\)"/\1/p' Sources/SXenstored/Version.swift)|" \
		packaging/sxenstored-plugin.pc.in > '$(DESTDIR)$(pkgconfigdir)/sxenstored-plugin.pc'
	chmod 644 '$(DESTDIR)$(pkgconfigdir)/sxenstored-plugin.pc'

# Units do nothing before somebody enables them. The drop-in would, so it is an example.
install-units:
	install -d '$(DESTDIR)$(unitdir)' '$(DESTDIR)$(docdir)/examples/xenstored.service.d'
	$(call install_unit,etc/sxenstored.service,$(unitdir))
	$(call install_unit,etc/sxenstored-restart@.service,$(unitdir))
	install -D --mode 644 etc/sxenstored.preset '$(DESTDIR)$(presetdir)/90-sxenstored.preset'
	$(call install_unit,etc/xenstored.service.d/sxenstored.conf,$(docdir)/examples/xenstored.service.d)

# install_unit FILE,FOLDER: installs a unit with the daemon's real path.
define install_unit
sed 's|/usr/sbin/sxenstored|$(sbindir)/sxenstored|' '$(1)' > '$(DESTDIR)$(2)/$(notdir $(1))'
chmod 644 '$(DESTDIR)$(2)/$(notdir $(1))'
endef

clean: ## Remove everything that was built
	rm -rf .build .build_* run
