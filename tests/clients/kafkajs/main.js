// kafkajs with default settings; the calls are in ../README.md. snappy, lz4 and zstd need codecs that kafkajs leaves to others.
const { CompressionTypes, Kafka, logLevel } = require('kafkajs')

const codecs = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP }
const [call, bootstrap, topic, ...rest] = process.argv.slice(2)
const kafka = new Kafka({ clientId: 'streamwright-tests', brokers: [bootstrap], logLevel: logLevel.ERROR })
const records = (count, prefix) =>
  Array.from({ length: count }, (_, index) => ({ key: `${prefix}-${index % 10}`, value: `${prefix}-${index}` }))

async function produce(count, codec, prefix) {
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic, compression: codecs[codec], messages: records(Number(count), prefix) })
  await producer.disconnect()
}

async function transact(id, count, outcome, prefix) {
  const producer = kafka.producer({ transactionalId: id, idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  const transaction = await producer.transaction()
  await transaction.send({ topic, messages: records(Number(count), prefix) })
  await (outcome === 'commit' ? transaction.commit() : transaction.abort())
  await producer.disconnect()
}

async function consume(groupId, count) {
  const consumer = kafka.consumer({ groupId })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  let seen = 0
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`only ${seen} of ${count} records within 60 s`)), 60_000).unref()
    consumer.run({
      eachMessage: async ({ message }) => {
        console.log(message.value.toString())
        if (++seen === Number(count)) resolve()
      },
    }).catch(reject)
  })
  await consumer.disconnect()
}

Promise.resolve({ produce, transact, consume }[call](...rest)).then(() => process.exit(0), (error) => {
  console.error(error)
  process.exit(1)
})
