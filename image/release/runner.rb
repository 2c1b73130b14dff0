# The formula of a release, for a tap: brew install carlin-cicd/tap/runner
class Runner < Formula
  desc "Runs one step of a CI pipeline, on AWS Fargate or on a laptop"
  homepage "https://github.com/carlin-cicd/runner"
  version "@VERSION@"
  license "MIT"

  on_macos do
    on_arm do
      url "https://github.com/carlin-cicd/runner/releases/download/v@VERSION@/runner-darwin-arm64", using: :nounzip
      sha256 "@DARWIN_ARM64@"
    end
    on_intel do
      url "https://github.com/carlin-cicd/runner/releases/download/v@VERSION@/runner-darwin-amd64", using: :nounzip
      sha256 "@DARWIN_AMD64@"
    end
  end
  on_linux do
    on_arm do
      url "https://github.com/carlin-cicd/runner/releases/download/v@VERSION@/runner-linux-arm64", using: :nounzip
      sha256 "@LINUX_ARM64@"
    end
    on_intel do
      url "https://github.com/carlin-cicd/runner/releases/download/v@VERSION@/runner-linux-amd64", using: :nounzip
      sha256 "@LINUX_AMD64@"
    end
  end

  resource "pages" do
    url "https://github.com/carlin-cicd/runner/releases/download/v@VERSION@/runner-pages.tar.gz"
    sha256 "@PAGES@"
  end

  def install
    bin.install Dir["runner-*"].first => "runner"
    resource("pages").stage do
      man1.install Dir["man/*.1"]
      bash_completion.install "completions/runner.bash" => "runner"
      zsh_completion.install "completions/runner.zsh" => "_runner"
      fish_completion.install "completions/runner.fish"
    end
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/runner version")
  end
end
