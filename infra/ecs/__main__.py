"""An ECS for tests: moto_server that runs tasks. See README.md."""

import argparse
import os
import sys
import threading

try:
    import moto.server
except ModuleNotFoundError:  # make installs moto in a folder of its own
    own = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.tools/moto/bin/python3")
    if not os.path.exists(own) or os.path.realpath(sys.prefix) == os.path.realpath(os.path.join(own, "../..")):
        sys.exit("moto is not installed: make test installs it")
    os.execv(own, [own, *sys.argv])

import drivers
import iam
import metadata
import patches
import registry
import tasks


def main():
    parser = argparse.ArgumentParser(prog="ecs", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--driver", choices=["process", "podman"], default="process")
    parser.add_argument("--entrypoint", help="process: the program that is the entry point of every image")
    parser.add_argument("--image", help="what runs instead of the image of every task definition")
    parser.add_argument("--mount", action="append", default=[], metavar="FILE:PATH", help="podman: a file of this machine that each container has")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a variable that each container has")
    parser.add_argument("--layers", metavar="URL", help="a registry of the images in ECR, without a login")
    parser.add_argument("--phase", type=float, default=0.3, help="seconds that a task is PROVISIONING, and PENDING")
    parser.add_argument("--log-delay", type=float, default=0.0, help="seconds until a line can be read in CloudWatch Logs")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end, with all tasks, when standard input does")
    options = parser.parse_args()
    if options.driver == "process" and not options.entrypoint:
        parser.error("the process driver needs --entrypoint")

    endpoint = f"http://{options.host}:{options.port}"
    driver = drivers.Process(options.entrypoint) if options.driver == "process" else drivers.Podman(options.mount)
    ecs = tasks.Tasks(driver, endpoint, options.image, options.phase, options.log_delay, options.env)
    ecs.metadata = metadata.serve(options.host, ecs)
    patches.apply(ecs)
    iam.apply()
    if options.layers:
        registry.serve_layers(options.layers)
    if options.until_stdin_ends:
        threading.Thread(target=end_with_stdin, args=(ecs,), daemon=True).start()
    moto.server.main(["-H", options.host, "-p", str(options.port)])


def end_with_stdin(ecs):
    while os.read(0, 4096):
        pass
    ecs.end()
    os._exit(0)


main()
