// Package shards divides the tests of a step among several runs of it, by the time that each test file took before, and
// keeps what each of them found until one of them makes a single record of all.
//
// A way (way.go) lists the tests and runs some of them. Pack (pack.go) makes shares that take the same time. A part
// (part.go) is what a shard stores; Merge (merge.go) makes one result of all parts.
package shards
