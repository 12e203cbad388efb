package sqlite

const roleVariable = "DUROXIDE_SQLITE_TEST_ROLE"

func playRole(role string) int { return 2 }
