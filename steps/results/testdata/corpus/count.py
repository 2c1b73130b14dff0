"""Counts the cases of every report in reports/ with Python's own XML parser, for the Go tests to be compared with."""

import json
import pathlib
import re
import xml.etree.ElementTree as ElementTree

RETRIED = ("flakyFailure", "flakyError", "rerunFailure", "rerunError")


def status(case):
    kinds = {child.tag for child in case}
    skipped = case.find("skipped")
    if skipped is not None and case.get("status") == "notrun" and not skipped.get("message", "").startswith("SKIP_"):
        return "errored"  # ctest: the summary of its command counts it among the failed tests
    for kind, word in (("failure", "failed"), ("error", "errored"), ("skipped", "skipped")):
        if kind in kinds:
            return word
    if case.get("status") in ("notrun", "disabled"):  # gtest, ctest
        return "skipped"
    return "flaky" if kinds.intersection(RETRIED) else "passed"


# What tests printed and XML forbids: control characters, raw and by number.
FORBIDDEN = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\ufffe\\uffff]|&#(x(0?[0-8bcef]|1[0-9a-f])|[0-8]|1[124-9]|2[0-9]|3[01]);", re.IGNORECASE)


def count(report):
    totals = dict.fromkeys(("total", "failed", "errored", "skipped", "flaky"), 0)
    text = FORBIDDEN.sub("", report.read_text("utf-8"))
    if "<![CDATA[" not in text:
        text = text.replace("]]>", "]]&gt;")  # node writes it as it is
    root = ElementTree.fromstring(text.encode())
    parents = {child: parent for parent in root.iter() for child in parent}
    attempts, last = {}, None
    for case in root.iter("testcase"):
        word = status(case)
        suite = parents.get(case)
        # Go gives no two tests of a package one name: a failure that comes again is another attempt.
        go = suite is not None and suite.find("properties/property[@name='go.version']") is not None
        key = (suite, case.get("classname"), case.get("name"))
        if go and word in ("failed", "errored", "passed") and key in attempts:
            if word == "passed":
                totals[attempts.pop(key)] -= 1
                totals["flaky"] += 1
            continue
        if go and word in ("failed", "errored"):
            attempts[key] = word
        # pytest writes a second case if a test fails and its fixture does so afterwards.
        if suite is not None and suite.get("name") == "pytest" and word == "errored" and key == last:
            continue
        last = key
        totals["total"] += 1
        if word != "passed":
            totals[word] += 1
    return totals


counts = {}
for report in sorted(pathlib.Path("reports").rglob("*.xml")):
    name = report.relative_to("reports").as_posix()
    try:
        counts[name] = count(report)
    except ElementTree.ParseError as error:
        counts[name] = {"damaged": str(error)}
print(json.dumps(counts, indent=1))
