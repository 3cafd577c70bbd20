"""The case etcd-crud."""
