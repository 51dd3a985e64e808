package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os/exec"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// balance gives each Service of type LoadBalancer an address, and routes it to a node that serves it: kube-proxy does the rest there.
func (c *cloud) balance(ctx context.Context) error {
	services, err := c.services.List(labels.Everything())
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, service := range services {
		if address := addressOf(service); address != "" {
			taken[address] = true
		}
	}
	routes := map[string]string{}
	var failures []error
	for _, service := range services {
		is := service.Spec.Type == corev1.ServiceTypeLoadBalancer && service.Spec.LoadBalancerClass == nil && service.DeletionTimestamp == nil
		address := addressOf(service)
		switch {
		case is && address == "":
			address = c.free(taken)
			taken[address] = true
			failures = append(failures, c.setAddress(ctx, service, address))
		case !is && address != "":
			failures = append(failures, c.setAddress(ctx, service, ""))
			continue
		case !is:
			continue
		}
		if node := c.nodeFor(service); node != "" {
			routes[address] = node
		}
	}
	return errors.Join(append(failures, c.route(routes))...)
}

func addressOf(service *corev1.Service) string {
	if len(service.Status.LoadBalancer.Ingress) == 0 {
		return ""
	}
	return service.Status.LoadBalancer.Ingress[0].IP
}

func (c *cloud) free(taken map[string]bool) string {
	for last := 1; last < 255; last++ {
		if address := fmt.Sprintf("%s.%d", c.pool, last); !taken[address] {
			return address
		}
	}
	return ""
}

func (c *cloud) setAddress(ctx context.Context, service *corev1.Service, address string) error {
	changed := service.DeepCopy()
	changed.Status.LoadBalancer.Ingress = nil
	if address != "" {
		changed.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: address}}
	}
	_, err := c.client.CoreV1().Services(service.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	if err == nil {
		log.Printf("%s/%s: address %q", service.Namespace, service.Name, address)
	}
	return err
}

// nodeFor prefers a node with a pod that serves: where traffic stays on its node (externalTrafficPolicy: Local) no other would do.
func (c *cloud) nodeFor(service *corev1.Service) string {
	slices, err := c.slices.EndpointSlices(service.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: service.Name}))
	if err != nil {
		return ""
	}
	for _, slice := range slices {
		for _, endpoint := range slice.Endpoints {
			if endpoint.NodeName != nil && (endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready) {
				return c.nodeAddress(*endpoint.NodeName)
			}
		}
	}
	return c.nodeAddress(c.anyReadyNode())
}

func (c *cloud) anyReadyNode() string {
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil {
		return ""
	}
	first := ""
	for _, node := range nodes {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue && (first == "" || node.Name < first) {
				first = node.Name
			}
		}
	}
	return first
}

func (c *cloud) nodeAddress(name string) string {
	node, err := c.nodes.Get(name)
	if err != nil {
		return ""
	}
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			return address.Address
		}
	}
	return ""
}

// route makes this namespace's routes the wanted ones.
func (c *cloud) route(wanted map[string]string) error {
	var failures []error
	for address, node := range wanted {
		if c.routes[address] != node {
			failures = append(failures, c.ip(address, node, "route", "replace", address+"/32", "via", node))
		}
	}
	for address := range c.routes {
		if wanted[address] == "" {
			failures = append(failures, c.ip(address, "", "route", "del", address+"/32"))
		}
	}
	return errors.Join(failures...)
}

func (c *cloud) ip(address, node string, arguments ...string) error {
	if output, err := exec.Command("ip", arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %v: %s", arguments, output)
	}
	if node == "" {
		delete(c.routes, address)
	} else {
		c.routes[address] = node
	}
	return nil
}
