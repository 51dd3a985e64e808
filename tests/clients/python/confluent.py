"""confluent-kafka (librdkafka) with default settings; the calls are in ../README.md."""
import sys
import time

from confluent_kafka import Consumer, KafkaError, Producer


def records(count, prefix):
    for index in range(count):
        yield f"{prefix}-{index % 10}", f"{prefix}-{index}"


def failed(error, _message):
    if error is not None:
        sys.exit(f"delivery failed: {error}")


def produce(bootstrap, topic, count, codec, prefix):
    producer = Producer({"bootstrap.servers": bootstrap, "compression.codec": codec})
    for key, value in records(int(count), prefix):
        producer.produce(topic, key=key, value=value, on_delivery=failed)
        producer.poll(0)
    if producer.flush(60) != 0:
        sys.exit("records were not acknowledged within 60 s")


def transact(bootstrap, topic, transactional_id, count, outcome, prefix):
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": transactional_id})
    producer.init_transactions(30)
    producer.begin_transaction()
    for key, value in records(int(count), prefix):
        producer.produce(topic, key=key, value=value, on_delivery=failed)
    producer.flush(30)
    producer.commit_transaction(30) if outcome == "commit" else producer.abort_transaction(30)


def consume(bootstrap, topic, group, count):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    deadline = time.monotonic() + 60
    seen = 0
    while seen < int(count):
        if time.monotonic() > deadline:
            sys.exit(f"only {seen} of {count} records within 60 s")
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            if message.error().code() == KafkaError._PARTITION_EOF:
                continue
            sys.exit(str(message.error()))
        print(message.value().decode())
        seen += 1
    consumer.commit(asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    {"produce": produce, "consume": consume, "transact": transact}[sys.argv[1]](*sys.argv[2:])
