package auth

import "strings"

// Roles that ship.
const (
	RoleUser  = "user"
	RoleAdmin = "admin"
)

// What names must be, for messages.
const (
	nameRule = "1 to 32 letters, digits, _ or -"
	userRule = "1 to 64 letters, digits or any of _ . @ + -"
)

// isName reports whether s names a policy or a role.
func isName(s string) bool { return isMadeOf(s, 32, "_-") }

// isUser reports whether s is a user's id: "demo", "ann@example.com".
func isUser(s string) bool { return isMadeOf(s, 64, "_.@+-") }

// isMadeOf reports whether s is 1 to most letters, digits and others.
func isMadeOf(s string, most int, others string) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alnum := '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !alnum && strings.IndexByte(others, c) < 0 {
			return false
		}
	}
	return true
}
