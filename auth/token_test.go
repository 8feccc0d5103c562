package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"tickerd/bus"
)

const testKey = "0123456789abcdef0123456789abcdef"

func testSigner() *Signer {
	s := NewSigner([]byte(testKey), time.Hour)
	s.Clock = at(now0)
	return s
}

// demo is who the demo key stands for.
func demo() bus.ExchangeResult {
	return bus.ExchangeResult{KeyID: "k1", UserID: "demo", Role: "user", Policies: []string{"user_policy"}}
}

type object = map[string]any

// with is o with some members changed; nil takes one away.
func with(o, change object) object {
	o = maps.Clone(o)
	maps.Copy(o, change)
	maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
	return o
}

// forge makes a token as another service would.
func forge(t testing.TB, header, claims any, key string, h func() hash.Hash) string {
	t.Helper()
	part := func(v any) string {
		data, isText := v.(string)
		if !isText {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			data = string(b)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(data))
	}
	text := part(header) + "." + part(claims)
	mac := hmac.New(h, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestSignAndVerify(t *testing.T) {
	s := testSigner()
	s.Clock = func() time.Time { return time.Unix(now0, 999_999_999) }
	who := demo()
	who.Allowed = []string{"BTC-*"}
	raw, signed, err := s.Sign(who)
	if err != nil {
		t.Fatal(err)
	}
	read, err := s.Verify(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := Token{
		ID: signed.ID, IssuedAt: now0, ExpiresAt: now0 + 3600,
		Grant: &Grant{KeyID: "k1", UserID: "demo", Role: "user", Policies: []string{"user_policy"}, Allowed: []string{"BTC-*"}},
	}
	for _, got := range []Token{signed, read} {
		if got.ID == "" || got.Actor() != "user:demo" || !equal(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
}

func equal(a, b Token) bool {
	return a.ID == b.ID && a.KeyID == b.KeyID && a.UserID == b.UserID && a.Role == b.Role &&
		slices.Equal(a.Policies, b.Policies) && slices.Equal(a.Allowed, b.Allowed) &&
		a.IssuedAt == b.IssuedAt && a.ExpiresAt == b.ExpiresAt
}

func TestTokenOnTheWire(t *testing.T) {
	raw, token, err := testSigner().Sign(demo())
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(raw, ".")
	var texts []string
	for _, part := range parts[:2] {
		b, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	sum := sha256.Sum256([]byte(testKey))
	kid := strings.ToLower(base16(sum[:8]))
	if want := `{"alg":"HS256","kid":"` + kid + `","typ":"JWT"}`; texts[0] != want {
		t.Errorf("header %s, want %s", texts[0], want)
	}
	want := `{"iss":"tickerd","sub":"user:demo","exp":1700003600,"iat":1700000000,"jti":"` + token.ID +
		`","role":"user","policies":["user_policy"],"key":"k1"}`
	if texts[1] != want {
		t.Errorf("claims %s, want %s", texts[1], want)
	}
	if strings.Contains(raw, testKey) || strings.Contains(texts[0], testKey[:4]) {
		t.Error("the token gives its key away")
	}
}

func base16(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

func TestTokenEndsWithItsKey(t *testing.T) {
	s := testSigner()
	for _, tt := range []struct{ keyEnds, want int64 }{
		{0, now0 + 3600}, {now0 + 7200, now0 + 3600}, {now0 + 10, now0 + 10}, {now0 + 1, now0 + 1},
	} {
		who := demo()
		who.ExpiresAt = tt.keyEnds
		if _, token, err := s.Sign(who); err != nil || token.ExpiresAt != tt.want {
			t.Errorf("key ends %d: token ends %v, %v", tt.keyEnds, token.ExpiresAt, err)
		}
	}
	for _, ends := range []int64{now0, now0 - 1} {
		who := demo()
		who.ExpiresAt = ends
		if _, _, err := s.Sign(who); err != ErrKeyInvalid {
			t.Errorf("key ended %d: %v", ends, err)
		}
	}
	if _, _, err := s.Sign(bus.ExchangeResult{Error: bus.ExchangeInvalid}); err != ErrKeyInvalid {
		t.Error(err)
	}
}

func TestVerifyForeignTokens(t *testing.T) {
	s := testSigner()
	header := object{"alg": "HS256", "typ": "JWT"}
	claims := object{"iss": "tickerd", "sub": "user:ann@example.com", "jti": "j", "iat": now0, "exp": now0 + 60, "role": "user"}
	month := int64(MaxTokenTTL / time.Second)
	sign := func(header, claims any) string { return forge(t, header, claims, testKey, sha256.New) }
	good := sign(header, claims)
	text := func(raw string) string { return raw[:strings.LastIndexByte(raw, '.')] }
	dot := len(text(good))

	tests := map[string]struct {
		raw  string
		want error
	}{
		"another service's":    {good, nil},
		"our kid":              {sign(with(header, object{"kid": s.kid}), claims), nil},
		"no typ":               {sign(object{"alg": "HS256"}, claims), nil},
		"only what must be":    {sign(header, object{"iss": "tickerd", "sub": "user:ann", "exp": now0 + 60}), nil},
		"policies":             {sign(header, with(claims, object{"policies": []string{"p"}})), nil},
		"symbols":              {sign(header, with(claims, object{"symbols": []string{"btc-*"}})), nil},
		"fractions":            {sign(header, with(claims, object{"iat": now0 - 0.5, "exp": now0 + 1.5})), nil},
		"our audience":         {sign(header, with(claims, object{"aud": []string{"x", "tickerd"}})), nil},
		"slightly early":       {sign(header, with(claims, object{"nbf": now0 + 5, "iat": now0 + 5})), nil},
		"far end":              {sign(header, with(claims, object{"exp": 9_999_999_999})), nil},
		"unknown claims":       {sign(header, with(claims, object{"scope": "x", "exp2": true})), nil},
		"ends next second":     {sign(header, with(claims, object{"exp": now0 + 1})), nil},
		"made a month ago":     {sign(header, with(claims, object{"iat": now0 - month + 1, "exp": 9_999_999_999})), nil},
		"null where optional":  {sign(header, `{"iss":"tickerd","sub":"user:ann","exp":1700000060,"nbf":null,"policies":null,"symbols":null}`), nil},
		"made over a month":    {sign(header, with(claims, object{"iat": now0 - month, "exp": 9_999_999_999})), ErrTokenExpired},
		"empty":                {"", ErrTokenMalformed},
		"garbage":              {"garbage", ErrTokenMalformed},
		"dots":                 {"..", ErrTokenMalformed},
		"four parts":           {good + ".x", ErrTokenMalformed},
		"not base64":           {"!" + good[1:], ErrTokenMalformed},
		"padded":               {good + "=", ErrTokenMalformed},
		"a blank":              {" " + good, ErrTokenMalformed},
		"a line break":         {good + "\n", ErrTokenMalformed},
		"huge":                 {strings.Repeat("a", maxToken) + good, ErrTokenMalformed},
		"header not JSON":      {sign("x", claims), ErrTokenMalformed},
		"header null":          {sign("null", claims), ErrTokenSignature},
		"header a list":        {sign("[]", claims), ErrTokenMalformed},
		"claims not JSON":      {sign(header, "x"), ErrTokenMalformed},
		"claims a list":        {sign(header, "[]"), ErrTokenMalformed},
		"claims null":          {sign(header, "null"), ErrTokenForeign},
		"alg none":             {forge(t, object{"alg": "none"}, claims, testKey, sha256.New), ErrTokenSignature},
		"alg none, unsigned":   {unsigned(t, object{"alg": "none", "typ": "JWT"}, claims), ErrTokenSignature},
		"alg None":             {unsigned(t, object{"alg": "None"}, claims), ErrTokenSignature},
		"alg HS512":            {forge(t, object{"alg": "HS512"}, claims, testKey, sha512.New), ErrTokenSignature},
		"alg RS256":            {sign(object{"alg": "RS256"}, claims), ErrTokenSignature},
		"alg a number":         {sign(object{"alg": 256}, claims), ErrTokenSignature},
		"no alg":               {sign(object{"typ": "JWT"}, claims), ErrTokenSignature},
		"no signature":         {good[:dot+1], ErrTokenSignature},
		"short signature":      {good[:len(good)-3], ErrTokenSignature},
		"other signature":      {good[:dot+1] + strings.Repeat("A", 43), ErrTokenSignature},
		"other claims":         {text(sign(header, with(claims, object{"sub": "user:root"}))) + good[dot:], ErrTokenSignature},
		"other key":            {forge(t, header, claims, "another key of thirty-two bytes!", sha256.New), ErrTokenSignature},
		"empty key":            {forge(t, header, claims, "", sha256.New), ErrTokenSignature},
		"foreign kid":          {sign(with(header, object{"kid": "0011223344556677"}), claims), ErrTokenForeign},
		"empty kid":            {sign(with(header, object{"kid": ""}), claims), ErrTokenForeign},
		"kid a number":         {sign(with(header, object{"kid": 1}), claims), ErrTokenForeign},
		"critical extension":   {sign(with(header, object{"crit": []string{"x"}}), claims), ErrTokenForeign},
		"wrong iss":            {sign(header, with(claims, object{"iss": "ticker"})), ErrTokenForeign},
		"no iss":               {sign(header, with(claims, object{"iss": nil})), ErrTokenForeign},
		"other audience":       {sign(header, with(claims, object{"aud": "x"})), ErrTokenForeign},
		"no exp":               {sign(header, with(claims, object{"exp": nil})), ErrTokenMalformed},
		"exp null":             {sign(header, `{"iss":"tickerd","sub":"user:ann","exp":null}`), ErrTokenMalformed},
		"exp a word":           {sign(header, with(claims, object{"exp": "never"})), ErrTokenMalformed},
		"exp huge":             {sign(header, `{"iss":"tickerd","sub":"user:ann","iat":1700000000,"exp":1e300}`), ErrTokenMalformed},
		"exp negative":         {sign(header, with(claims, object{"exp": -1})), ErrTokenMalformed},
		"nbf huge":             {sign(header, `{"iss":"tickerd","sub":"user:ann","exp":1700000060,"nbf":1e300}`), ErrTokenMalformed},
		"nbf beyond time":      {sign(header, `{"iss":"tickerd","sub":"user:ann","exp":1700000060,"nbf":9223372036000000000}`), ErrTokenEarly},
		"expired":              {sign(header, with(claims, object{"exp": now0 - 1})), ErrTokenExpired},
		"ends now":             {sign(header, with(claims, object{"exp": now0})), ErrTokenExpired},
		"ends within now":      {sign(header, with(claims, object{"exp": now0 + 0.9})), ErrTokenExpired},
		"far end without iat":  {sign(header, with(claims, object{"iat": nil, "exp": now0 + month + 1})), ErrTokenMalformed},
		"early":                {sign(header, with(claims, object{"nbf": now0 + 6})), ErrTokenEarly},
		"made in the future":   {sign(header, with(claims, object{"iat": now0 + 6})), ErrTokenEarly},
		"no sub":               {sign(header, with(claims, object{"sub": nil})), ErrTokenMalformed},
		"sub without user":     {sign(header, with(claims, object{"sub": "demo"})), ErrTokenMalformed},
		"sub of nobody":        {sign(header, with(claims, object{"sub": "user:"})), ErrTokenMalformed},
		"sub of somebody odd":  {sign(header, with(claims, object{"sub": "user:a b"})), ErrTokenMalformed},
		"sub of a service":     {sign(header, with(claims, object{"sub": "service:x"})), ErrTokenMalformed},
		"role odd":             {sign(header, with(claims, object{"role": "a b"})), ErrTokenMalformed},
		"policies a string":    {sign(header, with(claims, object{"policies": "all"})), ErrTokenMalformed},
		"symbols odd":          {sign(header, with(claims, object{"symbols": []string{"BTC"}})), ErrTokenMalformed},
		"symbols empty string": {sign(header, with(claims, object{"symbols": []string{""}})), ErrTokenMalformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := s.Verify(tt.raw)
			if err != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err != nil && got != (Token{}) {
				t.Errorf("a refused token says %+v", got)
			}
		})
	}

	token, err := s.Verify(tests["symbols"].raw)
	if err != nil || !slices.Equal(token.Allowed, []string{"BTC-*"}) {
		t.Errorf("patterns in lower case: %q, %v", token.Allowed, err)
	}
	token, err = s.Verify(tests["far end"].raw)
	if err != nil || token.ExpiresAt != now0+month {
		t.Errorf("a token of no end ends at %v, %v", token.ExpiresAt, err)
	}
}

func unsigned(t testing.TB, header, claims any) string {
	raw := forge(t, header, claims, "", sha256.New)
	return raw[:strings.LastIndexByte(raw, '.')+1]
}

func TestTokensOfTwoKeys(t *testing.T) {
	raw, _, err := testSigner().Sign(demo())
	if err != nil {
		t.Fatal(err)
	}
	other := NewSigner([]byte("another key of thirty-two bytes!"), time.Hour)
	other.Clock = at(now0)
	if _, err := other.Verify(raw); err != ErrTokenForeign {
		t.Error(err)
	}
}

// FuzzVerify looks for a text that is taken though nobody signed it.
func FuzzVerify(f *testing.F) {
	s := testSigner()
	raw := forge(f, object{"alg": "HS256"}, object{"iss": "tickerd", "sub": "user:x", "exp": now0 + 60}, testKey, sha256.New)
	ours := forge(f, ourHeader(f, s), object{"iss": "tickerd", "sub": "user:x", "exp": now0 + 60}, testKey, sha256.New)
	f.Add(raw)
	f.Add(ours)
	f.Add(ours + ".")
	f.Add(unsigned(f, object{"alg": "none"}, object{"iss": "tickerd", "sub": "user:x", "exp": now0 + 60}))
	f.Add(forge(f, object{"alg": "HS256"}, object{"iss": "tickerd", "sub": "user:x", "exp": now0 + 60}, "x", sha256.New))
	f.Add("a.b.c")
	sentinels := []error{ErrTokenMalformed, ErrTokenSignature, ErrTokenForeign, ErrTokenEarly, ErrTokenExpired}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := s.Verify(text)
		if err == nil && text != raw && text != ours {
			t.Fatalf("taken: %q", text)
		}
		if err != nil && !slices.ContainsFunc(sentinels, func(s error) bool { return errors.Is(err, s) }) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// ourHeader is the header of the tokens that s makes.
func ourHeader(t testing.TB, s *Signer) string {
	text, err := base64.RawURLEncoding.DecodeString(s.header)
	if err != nil || !json.Valid(text) {
		t.Fatalf("%q: %v", text, err)
	}
	return string(text)
}

// FuzzClaims gives signed claims of any shape, as a faulty service would. They say
// the same in a token that looks like ours.
func FuzzClaims(f *testing.F) {
	s := testSigner()
	f.Add(`{"iss":"tickerd","sub":"user:ann","iat":1700000000,"exp":1700000060,"nbf":1,"aud":["tickerd"],"role":"user","policies":["a"],"key":"k","symbols":["BTC-*"]}`)
	f.Add(`{"iss":"tickerd","sub":"user:ann","exp":9e99,"iat":-9e99}`)
	f.Fuzz(func(t *testing.T, claims string) {
		token, err := s.Verify(forge(t, object{"alg": "HS256"}, claims, testKey, sha256.New))
		ours, errOurs := s.Verify(forge(t, ourHeader(t, s), claims, testKey, sha256.New))
		if err != errOurs || err == nil && !equal(token, ours) {
			t.Fatalf("%s: %+v, %v, and of our own %+v, %v", claims, token, err, ours, errOurs)
		}
		if err != nil {
			return
		}
		now := s.Clock()
		if token.ExpiresAt <= now.Unix() || token.ExpiresAt > now.Add(MaxTokenTTL+leeway).Unix() ||
			token.IssuedAt > now.Add(leeway).Unix() || !isUser(token.UserID) {
			t.Fatalf("%s: %+v", claims, token)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	s, who := testSigner(), demo()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Sign(who); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	s := testSigner()
	raw, _, err := s.Sign(demo())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Verify(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// The tokens of one key share what they have in common.
func TestTokensOfOneKeyShare(t *testing.T) {
	s := testSigner()
	who := demo()
	who.Allowed = []string{"BTC-*"}
	verify := func(who bus.ExchangeResult) Token {
		raw, _, err := s.Sign(who)
		if err != nil {
			t.Fatal(err)
		}
		token, err := s.Verify(raw)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	one, two := verify(who), verify(who)
	if one.Grant != two.Grant || one.ID == two.ID {
		t.Errorf("%+v and %+v", one, two)
	}
	if n := testing.AllocsPerRun(10, func() { _ = one.Actor() }); n != 0 || one.Actor() != "user:demo" {
		t.Errorf("actor %q, %v allocations", one.Actor(), n)
	}
	who.Role = "admin"
	if other := verify(who); other.Grant == one.Grant || other.Role != "admin" {
		t.Errorf("%+v is taken for %+v", other, one)
	}
}
