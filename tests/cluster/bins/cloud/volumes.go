package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

const (
	provisioner     = "cluster.streamwright.dev/folder"
	claimedBy       = "volume.kubernetes.io/storage-provisioner"
	provisionedBy   = "pv.kubernetes.io/provisioned-by"
	selectedNode    = "volume.kubernetes.io/selected-node"
	hostname        = "kubernetes.io/hostname"
	refuseParameter = "refuse"
	folderParameter = "folder"
)

// provision makes a folder and a volume for each claim of our classes that has a node.
func (c *cloud) provision(ctx context.Context) error {
	claims, err := c.claims.List(labels.Everything())
	if err != nil {
		return err
	}
	var failures []error
	for _, claim := range claims {
		if claim.Annotations[claimedBy] != provisioner || claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil || claim.Spec.StorageClassName == nil {
			continue
		}
		class, err := c.classes.Get(*claim.Spec.StorageClassName)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		if mode := class.Parameters[refuseParameter]; mode != "" && slices.Contains(claim.Spec.AccessModes, corev1.PersistentVolumeAccessMode(mode)) {
			failures = append(failures, c.refuse(ctx, claim, mode))
			continue
		}
		node := claim.Annotations[selectedNode]
		if node == "" && class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingImmediate {
			node = c.anyReadyNode()
		}
		if node != "" {
			failures = append(failures, c.makeVolume(ctx, claim, class, node))
		}
	}
	return errors.Join(failures...)
}

func (c *cloud) makeVolume(ctx context.Context, claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass, node string) error {
	name := "pvc-" + string(claim.UID)
	if _, err := c.disks.Get(name); err == nil {
		return nil
	}
	folder := filepath.Join(c.volumes, node, name)
	if fixed := class.Parameters[folderParameter]; fixed != "" {
		folder = filepath.Join(c.volumes, node, fixed)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: provisioner}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			AccessModes:                   claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: *class.ReclaimPolicy,
			StorageClassName:              class.Name,
			VolumeMode:                    claim.Spec.VolumeMode,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: hostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node}}},
			}}}},
		},
	}
	_, err := c.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err == nil {
		log.Printf("%s/%s: volume %s on %s", claim.Namespace, claim.Name, name, node)
	}
	return err
}

// refuse says on the claim, once, that its class does not have the access mode.
func (c *cloud) refuse(ctx context.Context, claim *corev1.PersistentVolumeClaim, mode string) error {
	now := metav1.Now()
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "refused-" + string(claim.UID), Namespace: claim.Namespace},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID, ResourceVersion: claim.ResourceVersion,
		},
		Type: corev1.EventTypeWarning, Reason: "ProvisioningFailed", Message: fmt.Sprintf("failed to provision volume with StorageClass %q: %s is not supported", *claim.Spec.StorageClassName, mode),
		Source: corev1.EventSource{Component: provisioner}, FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
	_, err := c.client.CoreV1().Events(claim.Namespace).Create(ctx, event, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// grow gives a bound claim the size that it asks for now.
func (c *cloud) grow(ctx context.Context) error {
	claims, err := c.claims.List(labels.Everything())
	if err != nil {
		return err
	}
	var failures []error
	for _, claim := range claims {
		wanted := claim.Spec.Resources.Requests[corev1.ResourceStorage]
		has := claim.Status.Capacity[corev1.ResourceStorage]
		if claim.Annotations[claimedBy] != provisioner || claim.Status.Phase != corev1.ClaimBound || wanted.Cmp(has) <= 0 {
			continue
		}
		capacity := map[string]any{"capacity": map[string]any{"storage": wanted.String()}}
		spec, _ := json.Marshal(map[string]any{"spec": capacity})
		status, _ := json.Marshal(map[string]any{"status": capacity})
		if _, err := c.client.CoreV1().PersistentVolumes().Patch(ctx, claim.Spec.VolumeName, types.MergePatchType, spec, metav1.PatchOptions{}); err != nil {
			failures = append(failures, err)
			continue
		}
		_, err := c.client.CoreV1().PersistentVolumeClaims(claim.Namespace).Patch(ctx, claim.Name, types.MergePatchType, status, metav1.PatchOptions{}, "status")
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// reclaim deletes released volumes whose class says so, with all that is in them.
func (c *cloud) reclaim(ctx context.Context) error {
	volumes, err := c.disks.List(labels.Everything())
	if err != nil {
		return err
	}
	var failures []error
	for _, volume := range volumes {
		ours := volume.Annotations[provisionedBy] == provisioner && volume.Spec.Local != nil
		if !ours || volume.Status.Phase != corev1.VolumeReleased || volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete || volume.DeletionTimestamp != nil {
			continue
		}
		if err := os.RemoveAll(volume.Spec.Local.Path); err != nil {
			failures = append(failures, err)
			continue
		}
		err := c.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			failures = append(failures, err)
			continue
		}
		log.Printf("volume %s deleted", volume.Name)
	}
	return errors.Join(failures...)
}
