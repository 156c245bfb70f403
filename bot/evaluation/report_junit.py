"""A report as JUnit XML, which every CI shows: a test case for each case, the facts as properties.

Rule: what XML cannot hold is replaced, so that the file always parses.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as Xml

from bot.evaluation.report import Report

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """The file's text."""
    failed = sum(case.failure is not None for case in report.cases)
    count = {"tests": str(len(report.cases)), "failures": str(failed), "errors": "0"}
    suites = Xml.Element("testsuites", {"name": _plain(report.title), **count})
    suite = Xml.SubElement(suites, "testsuite", {"name": _plain(report.title), **count})
    properties = Xml.SubElement(suite, "properties")
    for name, value in report.facts:
        Xml.SubElement(properties, "property", {"name": _plain(name), "value": _plain(value)})
    for case in report.cases:
        element = Xml.SubElement(
            suite, "testcase", {"classname": _plain(case.group), "name": _plain(case.name), "time": "0"}
        )
        if case.failure is not None:
            failure = Xml.SubElement(element, "failure", {"message": _plain(case.failure)})
            failure.text = _plain(case.said)
        elif case.said:
            Xml.SubElement(element, "system-out").text = _plain(case.said)
    Xml.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(suites, encoding="unicode") + "\n"


def _plain(text: str) -> str:
    return _NO_XML.sub("�", text)
