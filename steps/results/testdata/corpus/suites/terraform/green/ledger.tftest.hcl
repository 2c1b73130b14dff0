run "adds_up" {
  command = plan
  assert {
    condition     = output.balance == 3
    error_message = "the balance is wrong"
  }
}
