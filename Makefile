# What people type. `make demo` shows the thing, `make test` proves it, `make bench` measures it.

CARGO   ?= cargo
TARGET  ?= $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

# Small static programs: the ones that hold guest data, live in hundreds, or become another program. They are built for an
# explicit target, so that the flags reach neither build scripts nor proc-macros.
STATIC_TARGET = x86_64-unknown-linux-gnu
STATIC_FLAGS  = -C target-feature=+crt-static -C relocation-model=static
STATIC        = vncterm xenstored device-model
WEB           = $(wildcard agent/web/src/*) agent/web/build.mjs
PROGRAMS      = xenwardend xenwarden-cli xenwarden-api xenwarden-login

DESTDIR ?=
# Those before which a VM's record has to be there.
XAPI_HOOKS = vm-pre-start vm-pre-resume vm-pre-reboot vm-post-migrate

.PHONY: build web page install install-hooks install-store xen-probe demo test lint bench xenlab xenlab-core xenlab-shell xenlab-tool setup compiler clean

## Every release program, in target/release.
build: compiler
	$(CARGO) build --release --locked $(addprefix -p ,$(PROGRAMS))
	RUSTFLAGS="$(STATIC_FLAGS)" $(CARGO) build --release --locked --target $(STATIC_TARGET) $(addprefix -p ,$(STATIC))
	@for program in $(STATIC); do \
	  cp -f $(TARGET)/$(STATIC_TARGET)/release/$$program $(TARGET)/release/.$$program && \
	  mv -f $(TARGET)/release/.$$program $(TARGET)/release/$$program; done

## What a host needs, below DESTDIR; `make build` first.
install:
	install -d $(DESTDIR)/usr/sbin $(DESTDIR)/usr/bin $(DESTDIR)/usr/libexec/xenwarden
	install -m 755 $(TARGET)/release/xenwardend $(DESTDIR)/usr/sbin/
	install -m 755 $(TARGET)/release/xenwarden $(DESTDIR)/usr/bin/
	install -m 755 $(addprefix $(TARGET)/release/,$(STATIC) xenwarden-api xenwarden-login) $(DESTDIR)/usr/libexec/xenwarden/
	@kept=$(DESTDIR)/etc/xenwarden/xenwarden.toml; \
	if [ -e $$kept ] && ! cmp -s packaging/xenwarden.toml $$kept; then \
	  echo "$$kept is kept; the new one is beside it, as $$kept.new"; kept=$$kept.new; fi; \
	install -D -m 644 packaging/xenwarden.toml $$kept
	install -D -m 644 packaging/pam/xenwarden $(DESTDIR)/etc/pam.d/xenwarden
	install -D -m 644 -t $(DESTDIR)/usr/lib/systemd/system packaging/systemd/*.service

## What xapi and libvirt call, each where it is: with neither, nothing is to be done.
install-hooks:
	@if [ -d $(DESTDIR)/etc/xapi.d ]; then for hook in $(XAPI_HOOKS); do \
	  install -D -m 755 packaging/hooks/xapi $(DESTDIR)/etc/xapi.d/$$hook/50-xenwarden; done; fi
	@if [ -d $(DESTDIR)/etc/libvirt ]; then \
	  install -D -m 755 packaging/hooks/libvirt $(DESTDIR)/etc/libvirt/hooks/libxl.d/50-xenwarden; fi

## The same for our store in place of the distribution's.
install-store:
	install -D -m 755 -t $(DESTDIR)/usr/libexec/xenwarden $(TARGET)/release/xenstored
	install -D -m 644 -t $(DESTDIR)/usr/lib/systemd/system packaging/systemd/store/xenstored.service
	install -D -m 644 -t $(DESTDIR)/usr/lib/systemd/system/xen.service.d packaging/systemd/store/xen.service.d/*.conf

## For a real Xen's dom0: tries what restricted handles may do ("xen-probe DOMID DOMID").
xen-probe: compiler
	RUSTFLAGS="$(STATIC_FLAGS)" $(CARGO) build --release --locked --target $(STATIC_TARGET) -p restrict --example xen-probe
	cp -f $(TARGET)/$(STATIC_TARGET)/release/examples/xen-probe $(TARGET)/release/xen-probe

## The browser's page, from npm's packages by their lock file; xenwarden-api embeds it when it is built.
web: agent/web/dist/index.html

agent/web/dist/index.html: $(WEB) agent/web/node_modules/.package-lock.json
	cd agent/web && node build.mjs

agent/web/node_modules/.package-lock.json: agent/web/package-lock.json
	cd agent/web && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

# Where npm is missing the demo goes without the page, and says so at /.
page:
	@if command -v npm >/dev/null 2>&1; then $(MAKE) --no-print-directory web; else echo "no npm here: the demo goes without the browser's page"; fi

## Three simulated guests on this machine, no Xen needed. ARGS="--domains 5 --for 60" and the like.
demo: page build
	@$(TARGET)/release/xenwarden demo $(ARGS)

## Every test. As root on Debian it installs what the tests need; elsewhere it says what is missing.
test: setup web lint
	$(CARGO) build --locked --workspace --bins
	@CARGO=$(CARGO) MAKE="$(MAKE)" tests/run

## Formatting and lints; no warning lands.
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

## Figures, as a table; ratios against a floor taken in the same run.
bench: build
	@tests/setup bench || echo "the bench goes without its peers"
	@$(CARGO) build --release --locked -p acceptance --bin xenwarden-bench --example no_xen
	@$(TARGET)/release/xenwarden-bench
	@$(CARGO) test -q --release --locked -p xenwarden-link --test devices what_applying -- --ignored --nocapture
	@$(CARGO) test -q --release --locked -p xenstored --lib what_a_flooding_guest_costs -- --ignored --nocapture

## All scenarios on a real Xen, under emulation, with each of Debian's stores and with ours.
xenlab: xenlab-tool
	@tests/xenlab/run --store c
	@tests/xenlab/run --store ocaml
	@tests/xenlab/run --store xenwarden

## The few that `make test` runs too.
xenlab-core: xenlab-tool
	@tests/xenlab/run --core

## A root shell in that control domain; `poweroff` ends it.
xenlab-shell: xenlab-tool
	@tests/xenlab/run --shell

xenlab-tool: build xen-probe
	@tests/setup xenlab
	RUSTFLAGS="$(STATIC_FLAGS)" $(CARGO) build --release --locked --target $(STATIC_TARGET) -p xenlab

# What a fresh machine may lack.
setup:
	@tests/setup test

compiler:
	@tests/setup build

clean:
	$(CARGO) clean
