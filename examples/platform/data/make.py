#!/usr/bin/env python3
"""Makes the three inputs again, always the same: lines of KEY <tab> JSON, in order of time, as `kcat -K '\\t'` takes them."""
import json
import random
from datetime import datetime, timedelta
from pathlib import Path

START = datetime(2026, 3, 2, 6)
HERE = Path(__file__).parent


def write(name, key, count, span, row):
    dice = random.Random(name)
    times = sorted(START + timedelta(milliseconds=dice.randrange(int(span.total_seconds() * 1000))) for _ in range(count))
    with open(HERE / f"{name}.tsv", "w", encoding="utf-8") as out:
        for number, at in enumerate(times):
            fields = row(dice, number, at.isoformat(sep=" ", timespec="milliseconds"))
            out.write(f"{fields[key]}\t{json.dumps(fields, separators=(',', ':'))}\n")


def order(dice, number, at):
    product = dice.choice(["lamp", "chair", "desk", "shelf", "rug"])
    price = {"lamp": 39.9, "chair": 119, "desk": 349.5, "shelf": 89.95, "rug": 64.25}[product]
    return {"order_id": number, "customer": f"c{dice.randrange(200)}", "product": product, "quantity": dice.randrange(1, 5), "price": price, "ordered": at}


def position(dice, number, at):
    return {"vehicle": f"v{dice.randrange(25)}", "speed": round(dice.gauss(82, 22), 1), "at": at}


def login(dice, number, at):
    account = f"a{min(dice.randrange(40), dice.randrange(40))}"
    return {"account": account, "address": f"10.0.{dice.randrange(4)}.{dice.randrange(250)}", "succeeded": dice.random() < 0.7, "at": at}


write("orders", "customer", 2000, timedelta(hours=12), order)
write("positions", "vehicle", 3000, timedelta(hours=3), position)
write("logins", "account", 1500, timedelta(hours=2), login)
