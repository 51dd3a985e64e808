package main

import (
	"context"
	"os"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func create() {
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Args[2]))
	check(err)
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = os.Args[3], int32(number(4)), -1
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(context.Background(), client)
	check(err)
	check(kerr.ErrorForCode(answer.Topics[0].ErrorCode))
	client.Close()
}
