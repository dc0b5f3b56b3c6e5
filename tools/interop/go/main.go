// Owns the checks of Go: golang.org/x/oauth2 as the client, go-oidc as the verifier, over discovery from the issuer.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strings"
	"time"

	oidc "github.com/coreos/go-oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

type client struct{ ID, Secret string }

type api struct {
	AppID    string
	Audience string
	Refused  map[string]string
}

type scene struct {
	Issuer        string
	TokenEndpoint string
	AdminAPI      string
	Client        client
	AwkwardClient client
	Algs          map[string]api
}

var styles = map[string]oauth2.AuthStyle{
	"found by trying": oauth2.AuthStyleAutoDetect,
	"Basic":           oauth2.AuthStyleInHeader,
	"in the body":     oauth2.AuthStyleInParams,
}

func check(name string, body func() error) {
	if err := body(); err != nil {
		fmt.Printf("FAIL  %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Printf("ok    %s\n", name)
}

func main() {
	text, err := os.ReadFile(os.Getenv("SCENE"))
	var s scene
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx := context.Background()
	provider, err := oidc.NewProvider(ctx, s.Issuer)
	check("go-oidc discovers the issuer", func() error { return err })
	if err != nil {
		return
	}
	algs := make([]string, 0, len(s.Algs))
	for alg := range s.Algs {
		algs = append(algs, alg)
	}
	sort.Strings(algs)
	for style := range styles {
		for _, alg := range algs {
			name := fmt.Sprintf("x/oauth2, secret %s, %s", style, alg)
			check(name, func() error { _, err := get(ctx, s, s.Client, style, s.Algs[alg].AppID, "write"); return err })
		}
		name := fmt.Sprintf("x/oauth2, awkward secret %s", style)
		check(name, func() error { _, err := get(ctx, s, s.AwkwardClient, style, s.Algs["RS256"].AppID, "write"); return err })
	}
	check("x/oauth2: the token opens an API", func() error { return use(ctx, s) })
	check("x/oauth2 shows the body of a refusal", func() error {
		_, err := get(ctx, s, client{s.Client.ID, "gsec_wrong"}, "Basic", s.Algs["RS256"].AppID, "write")
		if err == nil || !strings.Contains(err.Error(), "invalid_client") {
			return fmt.Errorf("taken, or not understood: %v", err)
		}
		return nil
	})
	for _, alg := range algs {
		verify(ctx, s, provider, alg)
	}
}

func config(s scene, c client, style, audience, scope string) clientcredentials.Config {
	return clientcredentials.Config{
		ClientID: c.ID, ClientSecret: c.Secret, TokenURL: s.TokenEndpoint, AuthStyle: styles[style],
		Scopes: []string{scope}, EndpointParams: url.Values{"audience": {audience}},
	}
}

func get(ctx context.Context, s scene, c client, style, audience, scope string) (string, error) {
	conf := config(s, c, style, audience, scope)
	token, err := conf.Token(ctx)
	if err != nil {
		return "", err
	}
	if left := time.Until(token.Expiry); token.Type() != "Bearer" || !token.Valid() || left < 3590*time.Second {
		return "", fmt.Errorf("%s, %s left", token.Type(), left)
	}
	if token.Extra("scope") != scope || token.RefreshToken != "" {
		return "", fmt.Errorf("scope %v, refresh token %q", token.Extra("scope"), token.RefreshToken)
	}
	return token.AccessToken, nil
}

// use lets the library get a token and send it: the admin API takes grantd's own tokens.
func use(ctx context.Context, s scene) error {
	conf := config(s, s.Client, "Basic", "grantd", "read")
	answer, err := conf.Client(ctx).Get(s.AdminAPI + "/resources/cid/Api")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		return fmt.Errorf("%s: %s", answer.Status, text)
	}
	return nil
}

func verify(ctx context.Context, s scene, provider *oidc.Provider, alg string) {
	target := s.Algs[alg]
	verifier := provider.Verifier(&oidc.Config{ClientID: target.Audience, SupportedSigningAlgs: []string{alg}})
	check("go-oidc, "+alg+": a good token is taken", func() error {
		token, err := get(ctx, s, s.Client, "Basic", target.AppID, "write")
		if err != nil {
			return err
		}
		good, err := verifier.Verify(ctx, token)
		if err != nil {
			return err
		}
		var claims struct {
			Scp      []string `json:"scp"`
			ClientID string   `json:"client_id"`
		}
		if err := good.Claims(&claims); err != nil {
			return err
		}
		if len(claims.Scp) != 1 || claims.Scp[0] != "write" || claims.ClientID != s.Client.ID {
			return fmt.Errorf("claims %+v", claims)
		}
		return nil
	})
	for what, token := range target.Refused {
		check("go-oidc, "+alg+": "+what+" is refused", func() error {
			if _, err := verifier.Verify(ctx, token); err == nil {
				return fmt.Errorf("taken")
			}
			return nil
		})
	}
}
