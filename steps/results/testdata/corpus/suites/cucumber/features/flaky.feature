Feature: retries
  @flaky
  Scenario: passes at the second attempt
    When it fails once
