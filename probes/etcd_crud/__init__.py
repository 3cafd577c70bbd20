"""The case etcd-crud: does every member of etcd write, read, compare, lease and watch, and fast enough."""
