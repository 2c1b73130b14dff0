run "adds_up" {
  command = plan
  assert {
    condition     = output.balance == 3
    error_message = "the balance is wrong"
  }
}

run "is_balanced" {
  command = plan
  assert {
    condition     = output.balance == 0
    error_message = "the balance is <not> 0 & more"
  }
}

run "with_a_bad_variable" {
  command = plan
  variables {
    entries = "none"
  }
}

run "is_skipped" {
  command = plan
}
