// What a cloud does for a cluster, for one that has none: volumes for claims, and addresses for Services of type LoadBalancer.
//
//	cloud KUBECONFIG VOLUMES POOL
//
// VOLUMES is a folder that every node sees at the same path; POOL is the first three numbers of a /24 of addresses, such as 10.101.200.
// It runs in the network namespace that stands for the world outside the nodes, since it routes the addresses that it gives there.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// cloud holds what the two halves share: what the API server has, and a way to write to it.
type cloud struct {
	client  kubernetes.Interface
	volumes string
	pool    string
	routes  map[string]string

	claims   corelisters.PersistentVolumeClaimLister
	disks    corelisters.PersistentVolumeLister
	classes  storagelisters.StorageClassLister
	nodes    corelisters.NodeLister
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: cloud KUBECONFIG VOLUMES POOL")
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	config.QPS, config.Burst = 200, 400
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		log.Fatal(err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	core := factory.Core().V1()
	here := &cloud{
		client: client, volumes: os.Args[2], pool: os.Args[3], routes: map[string]string{},
		claims: core.PersistentVolumeClaims().Lister(), disks: core.PersistentVolumes().Lister(), classes: factory.Storage().V1().StorageClasses().Lister(),
		nodes: core.Nodes().Lister(), services: core.Services().Lister(), slices: factory.Discovery().V1().EndpointSlices().Lister(),
	}
	changed := make(chan struct{}, 1)
	wake := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	watched := []cache.SharedIndexInformer{
		core.PersistentVolumeClaims().Informer(), core.PersistentVolumes().Informer(), factory.Storage().V1().StorageClasses().Informer(),
		core.Nodes().Informer(), core.Services().Informer(), factory.Discovery().V1().EndpointSlices().Informer(),
	}
	for _, informer := range watched {
		_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { wake() }, UpdateFunc: func(any, any) { wake() }, DeleteFunc: func(any) { wake() },
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	ctx := context.Background()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	log.Print("watching")
	for range changed {
		if !here.reconcile(ctx) {
			// Something was refused or has changed meanwhile: look again, though nothing may tell of it.
			time.AfterFunc(200*time.Millisecond, wake)
		}
	}
}

// reconcile looks at everything; false where something failed.
func (c *cloud) reconcile(ctx context.Context) bool {
	well := true
	for _, step := range []func(context.Context) error{c.provision, c.grow, c.reclaim, c.balance} {
		if err := step(ctx); err != nil {
			log.Print(err)
			well = false
		}
	}
	return well
}
