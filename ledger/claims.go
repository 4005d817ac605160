package ledger

import (
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"beampipe/fault"
)

// Kinds of claim.
const (
	ClaimDiscovery = "discovery"
	ClaimExecution = "execution"
)

// Claim says who works on something until when. Its fence grows with every claim of the subject;
// a write that belongs to a claim checks it with CheckClaim, so that a holder that was paused past its
// expiry loses.
type Claim struct {
	Subject   string
	Kind      string
	Owner     string
	Batch     string
	Fence     int64
	ExpiresAt time.Time
}

// SourceSubject names a source in claims.
func SourceSubject(id int64) string { return "source:" + strconv.FormatInt(id, 10) }

// ExecutionSubject names an execution in claims.
func ExecutionSubject(id string) string { return "execution:" + id }

// TryClaim takes the subject when it is free or its claim has expired; ok tells. Every claim needs an
// owner.
func (tx *Tx) TryClaim(kind, subject, owner, batch string, ttl time.Duration) (c Claim, ok bool, err error) {
	if owner == "" {
		return Claim{}, false, fmt.Errorf("claim %s: no owner", subject)
	}
	c = Claim{Subject: subject, Kind: kind, Owner: owner, Batch: batch, ExpiresAt: tx.now.Add(ttl)}
	err = tx.list("claim "+subject, `INSERT INTO claims (subject, kind, owner, batch, fence, expires_at) 
		VALUES (?, ?, ?, ?, 1 + coalesce((SELECT CAST(value AS INTEGER) FROM ledger_info WHERE key = '`+infoFence+`'), 0), ?)
		ON CONFLICT (subject) DO UPDATE SET kind = excluded.kind, owner = excluded.owner, batch = excluded.batch,
			fence = claims.fence + 1, expires_at = excluded.expires_at
		WHERE claims.owner = '' OR claims.expires_at <= ?
		RETURNING fence`, []any{subject, kind, owner, batch, Stamp(c.ExpiresAt), Stamp(tx.now)}, func(rows *sql.Rows) error {
		ok = true
		return rows.Scan(&c.Fence)
	})
	return c, ok, err
}

// RenewClaim moves the expiry of a claim that is still held; a lost one is a Conflict.
func (tx *Tx) RenewClaim(c *Claim, ttl time.Duration) error {
	until := tx.now.Add(ttl)
	err := tx.execOne("renew claim of "+c.Subject, "UPDATE claims SET expires_at = ? WHERE subject = ? AND owner = ? AND fence = ?",
		Stamp(until), c.Subject, c.Owner, c.Fence)
	if err == nil {
		c.ExpiresAt = until
	}
	return err
}

// CheckClaim is a Conflict error when the claim is no longer held.
func (tx *Tx) CheckClaim(c Claim) error {
	var held int
	err := tx.get("claim of "+c.Subject, "SELECT count(*) FROM claims WHERE subject = ? AND owner = ? AND fence = ?",
		[]any{c.Subject, c.Owner, c.Fence}, &held)
	if err == nil && held == 0 {
		err = fault.New(fault.Conflict, fmt.Sprintf("claim of %s (fence %d) was lost", c.Subject, c.Fence), "")
	}
	return err
}

// ReleaseClaim gives the subject back. A claim that is no longer held is left to its new holder.
func (tx *Tx) ReleaseClaim(c Claim) error {
	_, err := tx.exec("release claim of "+c.Subject, "UPDATE claims SET owner = '', batch = '' WHERE subject = ? AND owner = ? AND fence = ?",
		c.Subject, c.Owner, c.Fence)
	return err
}

// ReleaseDead gives back every claim whose owner is known to be gone, so that a crash does not keep its
// work until the claims expire. It returns how many there were.
func (tx *Tx) ReleaseDead(gone func(owner string) bool) (int, error) {
	owners, err := tx.ClaimOwners()
	if err != nil {
		return 0, err
	}
	released := 0
	for _, owner := range owners {
		if !gone(owner) {
			continue
		}
		n, err := tx.exec("release claims of "+owner, "UPDATE claims SET owner = '', batch = '' WHERE kind IN ('discovery', 'execution') AND owner <> '' AND owner = ?", owner)
		if err != nil {
			return released, err
		}
		released += int(n)
	}
	return released, nil
}

// ReleaseAllClaims gives back every claim, whoever holds it: of a ledger that is adopted nobody else has one.
func (tx *Tx) ReleaseAllClaims() (int, error) {
	n, err := tx.exec("release all claims", "UPDATE claims SET owner = '', batch = '' WHERE kind IN ('discovery', 'execution') AND owner <> ''")
	return int(n), err
}

// ClaimOwners lists who holds unexpired claims.
func (v View) ClaimOwners() ([]string, error) {
	var owners []string
	err := v.list("owners of claims", "SELECT DISTINCT owner FROM claims WHERE kind IN ('discovery', 'execution') AND owner <> '' AND expires_at > ?",
		[]any{Stamp(v.now)}, func(rows *sql.Rows) error {
			var owner string
			err := rows.Scan(&owner)
			owners = append(owners, owner)
			return err
		})
	return owners, err
}

// NewBatch names a batch of claims of one project.
func (tx *Tx) NewBatch(project string) string { return project + "/" + tx.newID() }

// LiveBatches counts the distinct batches of unexpired claims of a kind. project "" counts all.
func (v View) LiveBatches(kind, project string) (int, error) {
	prefix := ""
	if project != "" {
		prefix = project + "/"
	}
	var n int
	err := v.get("live batches", `SELECT count(DISTINCT batch) FROM claims
		WHERE kind = ? AND owner <> '' AND expires_at > ? AND substr(batch, 1, length(?)) = ?`, []any{kind, Stamp(v.now), prefix, prefix}, &n)
	return n, err
}

// ClaimOf reads the live claim of a subject; owner "" when it is free.
func (v View) ClaimOf(subject string) (Claim, error) {
	c := Claim{Subject: subject}
	err := v.list("claim of "+subject, "SELECT kind, owner, batch, fence, expires_at FROM claims WHERE subject = ? AND owner <> '' AND expires_at > ?",
		[]any{subject, Stamp(v.now)}, func(rows *sql.Rows) error {
			var at timeText
			err := rows.Scan(&c.Kind, &c.Owner, &c.Batch, &c.Fence, &at)
			c.ExpiresAt = at.value()
			return err
		})
	return c, err
}
