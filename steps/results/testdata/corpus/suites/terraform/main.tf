variable "entries" {
  type    = list(number)
  default = [1, 2]
}

output "balance" {
  value = sum(var.entries)
}
