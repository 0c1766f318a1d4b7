"""A file for node_exporter's textfile collector, read by Prometheus' own parser: its samples as
one line of JSON, by name and labels without `pipeline`, and each family's type and help."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

with open(sys.argv[1]) as file:
    families = list(text_string_to_metric_families(file.read()))
samples, pipelines = {}, set()
for sample in (sample for family in families for sample in family.samples):
    labels = dict(sample.labels)
    pipelines.add(labels.pop("pipeline"))
    key = sample.name + "".join(f"{{{name}={value}}}" for name, value in labels.items())
    assert key not in samples, key
    samples[key] = sample.value
types = {family.name: family.type for family in families}
assert all(family.documentation for family in families), families
print(json.dumps({"samples": samples, "types": types, "pipelines": sorted(pipelines)}))
