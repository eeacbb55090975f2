// Package tools has nothing but the versions of the programs that .ci/run checks the sources with, in its go.mod.
package tools
