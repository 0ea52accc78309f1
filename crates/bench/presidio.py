"""How long Presidio takes for texts, in nanoseconds of CPU time.

    cargo xtask bench pii --presidio

installs what is named in requirements.txt, and runs

    python presidio.py texts.json    # {"name": ["text", ...], ...}

which prints {"name": nanoseconds, ...}, each for all texts of the name.
"""

import json, statistics, sys, time

import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, PatternRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import SpacyNlpEngine

ROUNDS = 9

# The list of suffixes that it ships with: a look for a newer one is no part of the work.
tldextract.extract = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())


class Tokenizer(SpacyNlpEngine):
    """The least that the analyzer runs on: words, without a model."""

    def __init__(self):
        super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
        self.nlp = {"en": spacy.blank("en")}

    def load(self):
        pass


def patterns():
    """An analyzer with its patterns for English, and with what it checks about their matches."""
    tokenizer = Tokenizer()
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=tokenizer)
    registry.recognizers = [one for one in registry.recognizers if isinstance(one, PatternRecognizer)]
    return AnalyzerEngine(registry=registry, nlp_engine=tokenizer, supported_languages=["en"])


def spent(analyzer, texts):
    begun = time.process_time_ns()
    found = sum(len(analyzer.analyze(text, language="en")) for text in texts)
    assert found, "Presidio finds nothing"
    return time.process_time_ns() - begun


def main(path):
    with open(path, encoding="utf-8") as file:
        cases = json.load(file)
    analyzer = patterns()
    times = {}
    for name, texts in cases.items():
        spent(analyzer, texts)  # What it compiles at its first texts is not counted.
        times[name] = statistics.median(spent(analyzer, texts) for _ in range(ROUNDS))
    json.dump(times, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
