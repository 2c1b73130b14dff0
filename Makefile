# Two commands: `make run` shows the runner at work on the sample workspace, `make test` proves it.
# Everything that is needed besides Go, Node, Python 3, git and make is put into .tools/, at pinned versions.

GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOTESTSUM   := gotest.tools/gotestsum@v1.13.0
VERSITYGW   := github.com/versity/versitygw/cmd/versitygw@v1.8.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
CRANE       := github.com/google/go-containerregistry/cmd/crane@v0.22.1
ACTIONLINT  := github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
DEADCODE    := golang.org/x/tools/cmd/deadcode@v0.52.0
GOCYCLO     := github.com/fzipp/gocyclo/cmd/gocyclo@v0.6.0
NFPM        := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

TOOLS   := $(CURDIR)/.tools
SAMPLE  := image/sample
FLAKY   := image/flaky
SDK     := github.com/aws/aws-sdk-go-v2/...
YAML    := github.com/goccy/go-yaml/...
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)

export PATH := $(TOOLS)/bin:$(TOOLS)/npm/node_modules/.bin:$(PATH)
export CGO_ENABLED := 0

.PHONY: help build man webhook run test test-aws test-report screenshots test-image test-e2e infra-test image image-push image-soci update-bases release test-release lint vulnerabilities bench bench-s3 bench-latency bench-cache equal-shards clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | column -t -s "$$(printf '\t')"

# HTTP/2 is left out, as S3 and Secrets Manager speak HTTP/1.1 only and no other host that it calls needs it: 350 KB less.
# Nothing of the SDK is inlined, which does not show beside a request, nor of the reader of YAML: 640 KB and 120 KB less; nor
# of what is run once, flags and runner cluster: 270 KB less.
OUT ?= bin/runner
build: ## the static, reproducible binary: bin/runner
	go build -trimpath -buildvcs=false -tags nethttpomithttp2 -gcflags=$(SDK)=-l -gcflags=$(YAML)=-l -gcflags=github.com/aws/smithy-go/...=-l -gcflags=github.com/spf13/...=-l -gcflags=github.com/carlin-cicd/runner/runner/cluster=-l -gcflags=github.com/carlin-cicd/runner/cmd/runner=-l -ldflags '-s -w -X main.commit=$(COMMIT)' -o $(OUT) ./cmd/runner

# The command that writes them is in a build of its own, so that the binary does not link the generator.
man: ## the manual pages: bin/man
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) go run -tags man ./cmd/runner man bin/man

webhook: ## the webhook's Lambda as a reproducible zip: bin/webhook.zip
	GOOS=linux GOARCH=arm64 go build -trimpath -buildvcs=false -tags lambda.norpc -ldflags '-s -w' -o bin/bootstrap ./cmd/webhook
	go run ./cmd/webhook/pack bin/bootstrap bin/webhook.zip

run: build $(SAMPLE)/node_modules/.modules.yaml ## the main job on the sample workspace: test, then build
	bin/runner test --workspace $(SAMPLE) --log-format text
	bin/runner build --workspace $(SAMPLE) --log-format text

# Turborepo and Nx, whose remote caches the runner serves.
MONOREPO := $(TOOLS)/monorepo/node_modules/.package-lock.json

# Databases for the tests of services are a matter of the system's packages, too.
DATABASES := postgresql redis-server
define HAVE_DATABASES
command -v redis-server >/dev/null && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { test -n "$$CI" && apt-get update -qq && apt-get install -y -qq --no-install-recommends $(DATABASES) >/dev/null; } || \
  { echo "install PostgreSQL and Redis; on Debian: apt-get install $(DATABASES)"; exit 1; }
endef

# The race detector needs a C compiler. In CI there has to be one; elsewhere the tests are worth running without it.
# What it makes slow, or measures memory, runs without it.
# By default it lets every process sleep for a second before it exits. What go test would vet, lint has vetted.
WITHOUT_RACE := FiveGibibytes|TwentyThousandFiles|FiftyThousandFiles|DoesNotAllocate|BoundedMemory
RACE := $(shell command -v $${CC:-cc} >/dev/null 2>&1 && echo -race)

test: lint $(SAMPLE)/node_modules/.modules.yaml $(FLAKY)/node_modules/.modules.yaml $(TOOLS)/bin/gotestsum $(TOOLS)/bin/versitygw $(TOOLS)/bin/moto_server $(TOOLS)/bin/pytest $(MONOREPO) ## all tests that need no container
	@$(HAVE_DATABASES)
	@test -n "$(RACE)" || { echo "no C compiler: the tests run without the race detector"; test -z "$$CI"; }
	GORACE=atexit_sleep_ms=0 CGO_ENABLED=$(if $(RACE),1,0) go test $(RACE) -vet off -timeout 20m ./...
	test -z "$(RACE)" || go test -vet off -p 1 -run '$(WITHOUT_RACE)' ./artifacts/s3 ./artifacts/cache ./runner/logs ./steps/results
	cd runner/awsjson/endpointtest && go test ./...

# A browser is a matter of the system's packages: CI on Debian installs it, elsewhere a message names it.
define HAVE_CHROMIUM
command -v chromium >/dev/null || { test -n "$$CI" && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; } || \
  { echo "no chromium on PATH: install Debian's package chromium, or a Chromium under that name"; exit 1; }
endef

test-report: $(TOOLS)/npm/node_modules/.bin/pnpm ## the report as a browser shows it, at three widths, in light and dark, by keyboard; with axe
	@$(HAVE_CHROMIUM)
	go test -tags browser -count 1 ./runner/present/page ./runner/serve

screenshots: ## the pictures of README.md: .github/screenshots
	@$(HAVE_CHROMIUM)
	mkdir -p .github/screenshots
	RUNNER_SCREENSHOTS=$(CURDIR)/.github/screenshots go test -tags browser -count 1 -v -run '^TestScreenshots$$' ./runner/present/page

INFRA := $(TOOLS)/bin/moto_server $(TOOLS)/bin/cfn-lint $(TOOLS)/bin/aws $(TOOLS)/bin/actionlint infra/test/node_modules/.package-lock.json $(TOOLS)/carlin/node_modules/.package-lock.json

infra-test: $(INFRA) ## the templates: linted, deployed to moto, the machine run, permissions and alarms checked
	CARLIN=$(TOOLS)/carlin/node_modules/carlin/bin/carlin.js node --test infra/test/*.test.mjs

test-aws: build webhook ## the cluster in an account of yours: ACCOUNT=… REGION=… REPOSITORY=… CHECKOUT=…; infra/conformance/README.md
	@test -n "$(ACCOUNT)" -a -n "$(REGION)" -a -n "$(REPOSITORY)" -a -n "$(CHECKOUT)" || { echo "say where: make test-aws ACCOUNT=… REGION=… REPOSITORY=owner/name CHECKOUT=folder"; exit 1; }
	ACCOUNT=$(ACCOUNT) REGION=$(REGION) REPOSITORY=$(REPOSITORY) SECOND=$(SECOND) CHECKOUT=$(abspath $(CHECKOUT)) RUNNER=$(CURDIR)/bin/runner WEBHOOK_ZIP=$(CURDIR)/bin/webhook.zip \
	  go test -tags aws -count 1 -timeout 3h -v -run '^TestAWS$$' ./infra/conformance

# Containers are a matter of the system's packages, too.
CONTAINERS := podman runc busybox-static qemu-user buildah
define HAVE_CONTAINERS
command -v podman runc busybox qemu-aarch64 buildah >/dev/null && podman --version || { test -n "$$CI" && apt-get update -qq && apt-get install -y -qq --no-install-recommends $(CONTAINERS) >/dev/null; } || \
  { echo "install podman, runc, busybox, qemu-user and buildah; on Debian: apt-get install $(CONTAINERS)"; exit 1; }
endef

test-image: $(TOOLS)/bin/crane $(TOOLS)/bin/moto_server $(TOOLS)/npm/node_modules/.bin/pnpm ## the image in containers, as Fargate runs it: needs podman, runc, busybox, qemu-user, databases and chromium
	@$(HAVE_CONTAINERS)
	@$(HAVE_DATABASES)
	@$(HAVE_CHROMIUM)
	go test -tags container -count 1 -timeout 20m -v -run 'TestTheImage|TestTheBinary' ./image

# The machine is run by Node, the git server is git's own.
test-e2e: $(TOOLS)/bin/crane $(TOOLS)/bin/moto_server $(TOOLS)/npm/node_modules/.bin/pnpm infra/test/node_modules/.package-lock.json ## the whole chain, from a signed webhook to a deployed stack and back: needs what test-image needs
	@$(HAVE_CONTAINERS)
	go test -tags container -count 1 -timeout 40m -v -run 'TestTheChain' ./image

# The image for this machine's architecture, and an index for both. ENGINE is podman or docker.
ENGINE    ?= $(shell command -v podman >/dev/null 2>&1 && echo podman || echo docker)
IMAGE     ?= runner
TARGET    ?= runner-base
PLATFORMS ?= linux/amd64,linux/arm64

image: ## the image: make image TARGET=runner IMAGE=name
	$(ENGINE) build --file image/Dockerfile --target $(TARGET) --build-arg COMMIT=$(COMMIT) --tag $(IMAGE) .

# COMPRESSION is zstd or gzip, which a SOCI index needs: image/README.md has what each costs.
COMPRESSION ?= zstd

image-push: ## an image index for both architectures, pushed: make image-push IMAGE=registry/name:tag COMPRESSION=gzip
	@case "$(IMAGE)" in */*) ;; *) echo "say where to: make image-push IMAGE=registry/name:tag"; exit 1 ;; esac
	@case "$(COMPRESSION)" in zstd | gzip) ;; *) echo "COMPRESSION is zstd or gzip, not $(COMPRESSION)"; exit 1 ;; esac
ifeq ($(notdir $(ENGINE)),docker)
	docker buildx build --file image/Dockerfile --target $(TARGET) --build-arg COMMIT=$(COMMIT) --platform $(PLATFORMS) \
	  --output type=image,name=$(IMAGE),push=true,oci-mediatypes=true,compression=$(COMPRESSION),force-compression=true .
else
	-podman manifest rm $(IMAGE) 2>/dev/null
	podman build --file image/Dockerfile --target $(TARGET) --build-arg COMMIT=$(COMMIT) --platform $(PLATFORMS) --manifest $(IMAGE) .
	podman manifest push --all --format oci --compression-format $(COMPRESSION) $(PUSH) $(IMAGE) docker://$(IMAGE)
endif

image-soci: $(TOOLS)/bin/crane ## a SOCI index for a pushed image with gzip layers, pushed as IMAGE-soci: needs soci (github.com/awslabs/soci-snapshotter)
	@command -v soci >/dev/null || { echo "install soci: https://github.com/awslabs/soci-snapshotter/releases"; exit 1; }
	set -e; work=$$(mktemp -d); trap 'rm -rf "$$work"' EXIT; \
	  crane pull --format oci $(CRANE_OPTIONS) $(IMAGE) "$$work/image"; \
	  soci convert --standalone --format oci-dir "$$work/image" "$$work/soci"; \
	  crane push $(CRANE_OPTIONS) "$$work/soci" $(IMAGE)-soci

update-bases: $(TOOLS)/bin/crane ## pins the base images of the Dockerfile to what their tags are now: asks the registry
	image/update-bases

release: $(TOOLS)/bin/nfpm ## binaries, packages for npm, Debian, RPM and Homebrew, bills of materials, checksums: bin/release
	image/release/build

test-release: $(TOOLS)/bin/nfpm ## builds the release twice, compares, and installs its packages: needs dpkg, rpm, ruby and npm
	image/release/build --check
	go test -tags release -count 1 -v -run TestTheRelease ./image/release

# Scanners of terminal output, tables of a test and fakes are exempt from the limit of complexity.
SIMPLE := _test\.go$$|artifactstest/|notifytest/|steps/ansi/|page/ansi\.go
# Methods that fmt and slog find by reflection are not dead.
REFLECTED := (String|Format|LogValue|GoString|RedactConstant)$$

lint: $(TOOLS)/bin/gofumpt $(TOOLS)/bin/staticcheck $(TOOLS)/bin/deadcode $(TOOLS)/bin/gocyclo ## format, vet, staticcheck, dead code, complexity
	@unformatted=$$(gofumpt -l cmd runner steps artifacts image infra); \
	  test -z "$$unformatted" || { echo "not formatted (run gofumpt -w): $$unformatted"; exit 1; }
	go mod verify
	go vet ./...
	go vet -tags browser ./runner/present/page ./runner/serve
	go vet -tags container ./image
	go vet -tags man ./cmd/runner
	go vet -tags release ./image/release
	staticcheck ./...
	GOOS=darwin go vet ./...
	@! go list -deps ./runner/present/... | grep -E 'aws-sdk|runner/redact$$|carlin-cicd/runner/artifacts$$|artifacts/s3$$' || { echo "runner/present must not import these"; exit 1; }
	@dead=$$(deadcode -test ./... | grep -vE '$(REFLECTED)'); test -z "$$dead" || { echo "dead code:"; echo "$$dead"; exit 1; }
	gocyclo -over 20 -ignore '$(SIMPLE)' cmd runner steps artifacts image infra
	@long=$$(git log --format='%h %s' -30 | awk 'length($$0) > 80'); test -z "$$long" || { echo "commit subjects over 72 characters:"; echo "$$long"; }

vulnerabilities: $(TOOLS)/bin/govulncheck ## known vulnerabilities in what is linked (asks vuln.go.dev)
	govulncheck ./...

bench: $(SAMPLE)/node_modules/.modules.yaml ## every speed that the README names, beside a peer in the same run
	go test -run '^$$' -bench . -benchtime 1x ./...

bench-s3: build ## uploads to S3 beside aws, s5cmd, rclone and mc, whichever are on PATH: artifacts/bench/README.md
	go run ./artifacts/bench --runner bin/runner $(BENCH)

bench-cache: $(TOOLS)/bin/versitygw ## caches beside tar, zstd and aws, and rclone: make bench-cache BENCH=FOLDER; artifacts/cache/bench/README.md
	go run ./artifacts/cache/bench $(BENCH)

bench-latency: build $(TOOLS)/bin/versitygw ## what a run waits for around its command at 15, 30 and 60 ms, beside aws s3 sync: artifacts/bench/README.md
	go run ./artifacts/bench/latency --runner bin/runner --gateway $(TOOLS)/bin/versitygw $(BENCH)

equal-shards: build ## merged shards beside whole runs of projects with jest, vitest or go: make equal-shards PROJECTS="DIR..."
	go run ./runner/shards/equal --runner bin/runner $(PROJECTS)

clean: ## everything that make made, the tools too
	rm -rf bin $(TOOLS) infra/test/node_modules $(SAMPLE)/node_modules $(SAMPLE)/packages/*/node_modules $(SAMPLE)/dist $(SAMPLE)/coverage $(SAMPLE)/.runner $(FLAKY)/node_modules

$(TOOLS)/bin/gofumpt:
	GOBIN=$(TOOLS)/bin go install $(GOFUMPT)

$(TOOLS)/bin/deadcode:
	GOBIN=$(TOOLS)/bin go install $(DEADCODE)

$(TOOLS)/bin/gocyclo:
	GOBIN=$(TOOLS)/bin go install $(GOCYCLO)

$(TOOLS)/bin/staticcheck:
	GOBIN=$(TOOLS)/bin go install $(STATICCHECK)

$(TOOLS)/bin/govulncheck:
	GOBIN=$(TOOLS)/bin go install $(GOVULNCHECK)

$(TOOLS)/bin/gotestsum:
	GOBIN=$(TOOLS)/bin go install $(GOTESTSUM)

$(TOOLS)/bin/crane:
	GOBIN=$(TOOLS)/bin go install $(CRANE)

$(TOOLS)/bin/nfpm:
	GOBIN=$(TOOLS)/bin go install $(NFPM)

$(TOOLS)/bin/actionlint:
	GOBIN=$(TOOLS)/bin go install $(ACTIONLINT)

$(TOOLS)/bin/versitygw:
	GOBIN=$(TOOLS)/bin go install $(VERSITYGW)

# AWS for the tests. A moto_server that is on the machine already serves as well.
$(TOOLS)/bin/moto_server: .tools-package/requirements.txt
	mkdir -p $(TOOLS)/bin
	@rm -f $@; if own=$$(command -v moto_server); then \
	  printf '#!/bin/sh\nexec "%s" "$$@"\n' "$$own" >$@ && chmod +x $@; \
	else \
	  python3 -m venv $(TOOLS)/moto && $(TOOLS)/moto/bin/pip install --quiet --disable-pip-version-check -r $< && \
	  ln -sf $(TOOLS)/moto/bin/moto_server $@; \
	fi

# pytest for the tests of what the runner makes of it. One that is on the machine already serves as well.
$(TOOLS)/bin/pytest: .tools-package/pytest.txt
	mkdir -p $(TOOLS)/bin
	@rm -f $@; if own=$$(command -v pytest); then \
	  printf '#!/bin/sh\nexec "%s" "$$@"\n' "$$own" >$@ && chmod +x $@; \
	else \
	  python3 -m venv $(TOOLS)/pytest && $(TOOLS)/pytest/bin/pip install --quiet --disable-pip-version-check -r $< && \
	  ln -sf $(TOOLS)/pytest/bin/pytest $@; \
	fi

# cfn-lint comes with moto; the AWS CLI is as old as the botocore that moto has, and in a place of its own all the same.
$(TOOLS)/bin/cfn-lint: $(TOOLS)/bin/moto_server
	@rm -f $@; if own=$$(command -v cfn-lint); then \
	  printf '#!/bin/sh\nexec "%s" "$$@"\n' "$$own" >$@ && chmod +x $@; \
	else ln -sf $(TOOLS)/moto/bin/cfn-lint $@; fi

$(TOOLS)/bin/aws: infra/test/requirements.txt
	mkdir -p $(TOOLS)/bin
	@rm -f $@; if own=$$(command -v aws); then \
	  printf '#!/bin/sh\nexec "%s" "$$@"\n' "$$own" >$@ && chmod +x $@; \
	else \
	  python3 -m venv $(TOOLS)/aws && $(TOOLS)/aws/bin/pip install --quiet --disable-pip-version-check -r $< && \
	  ln -sf $(TOOLS)/aws/bin/aws $@; \
	fi

infra/test/node_modules/.package-lock.json: infra/test/package.json infra/test/package-lock.json
	npm ci --prefix infra/test --ignore-scripts --no-audit --no-fund
	touch $@

# carlin is large, so it is not among the sources.
$(TOOLS)/carlin/node_modules/.package-lock.json: infra/test/carlin/package.json infra/test/carlin/package-lock.json
	mkdir -p $(TOOLS)/carlin
	cp $^ $(TOOLS)/carlin/
	npm ci --prefix $(TOOLS)/carlin --ignore-scripts --no-audit --no-fund
	touch $@

$(MONOREPO): .tools-package/monorepo/package.json .tools-package/monorepo/package-lock.json
	mkdir -p $(TOOLS)/monorepo
	cp $^ $(TOOLS)/monorepo/
	npm ci --prefix $(TOOLS)/monorepo --ignore-scripts --no-audit --no-fund
	touch $@

# pnpm, at the version that .tools-package/package-lock.json pins.
$(TOOLS)/npm/node_modules/.bin/pnpm: .tools-package/package.json .tools-package/package-lock.json
	mkdir -p $(TOOLS)/npm
	cp $^ $(TOOLS)/npm/
	npm ci --prefix $(TOOLS)/npm --ignore-scripts --no-audit --no-fund
	touch $@

$(SAMPLE)/node_modules/.modules.yaml $(FLAKY)/node_modules/.modules.yaml: %/node_modules/.modules.yaml: $(TOOLS)/npm/node_modules/.bin/pnpm %/pnpm-lock.yaml
	cd $* && CI=true pnpm install --frozen-lockfile --prefer-offline --store-dir $(TOOLS)/pnpm-store
	touch $@
