"""kafka-python with default settings; the calls are in ../README.md."""
import sys
import time

from kafka import KafkaConsumer, KafkaProducer


def records(count, prefix):
    for index in range(count):
        yield f"{prefix}-{index % 10}".encode(), f"{prefix}-{index}".encode()


def produce(bootstrap, topic, count, codec, prefix):
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec)
    sent = [producer.send(topic, key=key, value=value) for key, value in records(int(count), prefix)]
    producer.flush(60)
    for future in sent:
        future.get(timeout=60)
    producer.close()


def transact(bootstrap, topic, transactional_id, count, outcome, prefix):
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=transactional_id)
    producer.init_transactions()
    producer.begin_transaction()
    for key, value in records(int(count), prefix):
        producer.send(topic, key=key, value=value)
    producer.flush(30)
    producer.commit_transaction() if outcome == "commit" else producer.abort_transaction()
    producer.close()


def consume(bootstrap, topic, group, count):
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest")
    deadline = time.monotonic() + 60
    seen = 0
    while seen < int(count):
        if time.monotonic() > deadline:
            sys.exit(f"only {seen} of {count} records within 60 s")
        for messages in consumer.poll(timeout_ms=1000).values():
            for message in messages:
                print(message.value.decode())
                seen += 1
    consumer.commit()
    consumer.close()


if __name__ == "__main__":
    {"produce": produce, "consume": consume, "transact": transact}[sys.argv[1]](*sys.argv[2:])
